import { CodecError } from '../errors.ts'
import { readObject, writeObject } from './fields.ts'

const REQUEST_MAX_OCTETS = 1024
const KINDS = ['resend', 'reread'] as const

/** What a ledger may ask of a gateway: stored batches again, or slots read again. Nothing else can be expressed. */
export interface Request {
  readonly ledger: string
  readonly gateway: string
  readonly kind: (typeof KINDS)[number]
  /** 8 octets; of the batches to resend, zeros for a re-read */
  readonly epoch: Uint8Array
  /** first and last sequence to resend, or first and last slot to read again */
  readonly from: number
  readonly to: number
  /** meter to read again; null = every meter */
  readonly meter: string | null
  /** unix seconds; a gateway takes a request once and only while it is fresh */
  readonly time: number
}

/** @throws CodecError when a field is out of its range */
export function encodeRequest(request: Request): Uint8Array {
  const { ledger, gateway, kind, epoch, from, to, meter, time } = request
  return writeObject([1, ledger, gateway, KINDS.indexOf(kind), epoch, from, to, meter, time], decodeRequest)
}

/** @throws CodecError */
export function decodeRequest(octets: Uint8Array): Request {
  const fields = readObject('request', octets, REQUEST_MAX_OCTETS)
  fields.version()
  const request: Request = {
    ledger: fields.id('ledger'),
    gateway: fields.id('gateway'),
    kind: KINDS[fields.uint('kind', KINDS.length - 1)] as Request['kind'],
    epoch: fields.bytes('epoch', 8),
    from: fields.uint('from'),
    to: fields.uint('to'),
    meter: fields.nullable(() => fields.id('meter')),
    time: fields.uint('time')
  }
  fields.end()
  if (request.from > request.to)
    throw new CodecError('CODEC_RANGE', `from ${request.from} to ${request.to} runs backwards`, {
      at: 'request'
    })
  return request
}
