import { CodecError } from '../errors.ts'
import { readObject, writeObject } from './fields.ts'

const ALARM_MAX_OCTETS = 80 * 1024
const STATES = ['raised', 'cleared'] as const
const CLASSES = ['general', 'serious'] as const

/** A finding that wants a person: raised once and cleared once under one id. */
export interface Alarm {
  readonly gateway: string
  /** null when it is about a bus or the gateway itself */
  readonly meter: string | null
  readonly rule: string
  readonly state: (typeof STATES)[number]
  /** class of the work order: general 2 h, serious 8 h */
  readonly class: (typeof CLASSES)[number]
  /** unix seconds */
  readonly raised: number
  /** unix seconds; null while raised */
  readonly cleared: number | null
  /** degrees x 10^7; null when unknown */
  readonly location: { readonly latE7: number; readonly lonE7: number } | null
  /** numbers behind the verdict: UTF-8 JSON, hashes of raw frames among them */
  readonly evidence: Uint8Array
  /** one number for raise and clear of the same alarm, unique within the gateway */
  readonly id: number
  readonly bus: string | null
}

/** @throws CodecError when a field is out of its range */
export function encodeAlarm(alarm: Alarm): Uint8Array {
  const { gateway, meter, rule, raised, cleared, location, evidence, id, bus } = alarm
  return writeObject(
    [
      1,
      gateway,
      meter,
      rule,
      STATES.indexOf(alarm.state),
      CLASSES.indexOf(alarm.class),
      raised,
      cleared,
      location && [location.latE7, location.lonE7],
      evidence,
      id,
      bus
    ],
    decodeAlarm
  )
}

/** @throws CodecError */
export function decodeAlarm(octets: Uint8Array): Alarm {
  const fields = readObject('alarm', octets, ALARM_MAX_OCTETS)
  fields.version()
  const alarm: Alarm = {
    gateway: fields.id('gateway'),
    meter: fields.nullable(() => fields.id('meter')),
    rule: fields.id('rule'),
    state: STATES[fields.uint('state', STATES.length - 1)] as Alarm['state'],
    class: CLASSES[fields.uint('class', CLASSES.length - 1)] as Alarm['class'],
    raised: fields.uint('raised'),
    cleared: fields.nullable(() => fields.uint('cleared')),
    location: fields.nullable(() => {
      const [latE7, lonE7, ...rest] = fields.array('location')
      if (!isWithin(latE7, 90) || !isWithin(lonE7, 180) || rest.length > 0)
        throw new CodecError('CODEC_RANGE', 'not a latitude and a longitude', { at: 'alarm.location' })
      return { latE7, lonE7 }
    }),
    evidence: fields.bytes('evidence'),
    id: fields.uint('id'),
    bus: fields.nullable(() => fields.id('bus'))
  }
  fields.end()
  if ((alarm.state === 'cleared') !== (alarm.cleared !== null))
    throw new CodecError('CODEC_SHAPE', 'a cleared alarm, and no other, has its time', {
      at: 'alarm.cleared'
    })
  return alarm
}

const isWithin = (value: unknown, degrees: number): value is number =>
  typeof value === 'number' && Math.abs(value) <= degrees * 1e7
