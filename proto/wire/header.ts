import { CodecError } from '../errors.ts'
import { readObject, writeObject } from './fields.ts'

const HEADER_MAX_OCTETS = 1024
/** Most readings of one batch. */
export const COUNT_MAX = 100_000
/** Most octets of a payload before compression. */
export const PLAIN_MAX = 16 * 1024 * 1024

/** Layout of the payload. */
export const LAYOUT = { columnar: 1 } as const
/** Compression of the payload. */
export const COMPRESSION = { none: 0, deflateRaw: 1 } as const

/** What a batch says of itself in the clear; authenticated by the tag and, through headerHash, by the anchor. */
export interface Header {
  readonly suite: number
  readonly gateway: string
  /** 8 octets */
  readonly epoch: Uint8Array
  readonly seq: number
  readonly slotFrom: number
  readonly slotTo: number
  /** version of the item catalogue */
  readonly schema: number
  /** hash of the roster, 32 octets */
  readonly roster: Uint8Array
  readonly count: number
  readonly root: Uint8Array
  readonly layout: number
  readonly compression: number
  /** octets of the payload before compression */
  readonly plainLen: number
  /** SM3 of the sorted key ids, 32 octets */
  readonly recipients: Uint8Array
  /** unix seconds */
  readonly created: number
}

/** @throws CodecError when a field is out of its range */
export function encodeHeader(header: Header): Uint8Array {
  return writeObject(
    [
      1,
      header.suite,
      header.gateway,
      header.epoch,
      header.seq,
      header.slotFrom,
      header.slotTo,
      header.schema,
      header.roster,
      header.count,
      header.root,
      header.layout,
      header.compression,
      header.plainLen,
      header.recipients,
      header.created
    ],
    decodeHeader
  )
}

/** Decodes a header; the suite is any number here, see suiteOf. @throws CodecError */
export function decodeHeader(octets: Uint8Array): Header {
  const fields = readObject('header', octets, HEADER_MAX_OCTETS)
  fields.version()
  const header: Header = {
    suite: fields.uint('suite'),
    gateway: fields.id('gateway'),
    epoch: fields.bytes('epoch', 8),
    seq: fields.uint('seq'),
    slotFrom: fields.uint('slotFrom'),
    slotTo: fields.uint('slotTo'),
    schema: fields.uint('schema'),
    roster: fields.bytes('roster', 32),
    count: fields.uint('count', COUNT_MAX),
    root: fields.bytes('root', 32),
    layout: fields.uint('layout'),
    compression: fields.uint('compression'),
    plainLen: fields.uint('plainLen', PLAIN_MAX),
    recipients: fields.bytes('recipients', 32),
    created: fields.uint('created')
  }
  fields.end()
  requireSlots(header, 'header')
  return header
}

/** @throws CodecError CODEC_RANGE unless slotFrom <= slotTo */
export function requireSlots(
  range: { readonly slotFrom: number; readonly slotTo: number },
  at: string
): void {
  if (range.slotFrom > range.slotTo) {
    throw new CodecError('CODEC_RANGE', `slots ${range.slotFrom} to ${range.slotTo} run backwards`, { at })
  }
}
