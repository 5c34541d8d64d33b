import { Dlt1997Responder } from './dlt-1997.ts'
import { Dlt2007Responder } from './dlt-2007.ts'
import { addressOctets, dltFrame } from './dlt-octets.ts'
import type { Meter } from './meter-model.ts'
import { modbusFrame } from './modbus-octets.ts'
import type { SimulatedProfile } from './modbus-profile.ts'
import { loadProfile } from './profile-file.ts'
import { loadReplay, type ReplayMeter } from './replay.ts'
import type { Reply } from './reply-faults.ts'

/** A meter with the protocol it speaks. */
export type Slave =
  | {
      readonly kind: 'dlt645'
      readonly meter: Meter
      readonly responder: Dlt2007Responder | Dlt1997Responder
    }
  | { readonly kind: 'modbus'; readonly meter: Meter; readonly profile: SimulatedProfile }
  | { readonly kind: 'replay'; readonly meter: Meter; readonly capture: ReplayMeter }

/**
 * Makes the protocol side of a meter.
 * @param files folder that profile and capture files are relative to
 */
export function createSlave(meter: Meter, files: string): Slave {
  const { protocol, profile = 'eastron-sdm630', capture = '' } = meter.setting
  switch (protocol) {
    case 'dlt645':
      return { kind: 'dlt645', meter, responder: new Dlt2007Responder(meter) }
    case 'dlt645-1997':
      return { kind: 'dlt645', meter, responder: new Dlt1997Responder(meter) }
    case 'modbus':
      return { kind: 'modbus', meter, profile: loadProfile(profile, files) }
    case 'replay':
      return { kind: 'replay', meter, capture: loadReplay(capture, files) }
  }
}

const STRANGER = '990000000009'
const FOREIGN_DATA = [0x00, 0x00, 0x02, 0x00, 0x11, 0x22, 0x33, 0x04]

/** A DL/T 645 reply that faults can still change. */
export function dltReply(meter: Meter, control: number, data: readonly number[]): Reply {
  const preamble = meter.setting.preamble ?? 4
  const own =
    meter.faults.answersAsAA === true ? new Array<number>(6).fill(0xaa) : addressOctets(meter.setting.address)
  return {
    checksumFromEnd: 2,
    start68: preamble,
    encode(as) {
      if (as === 'own') return dltFrame(own, control, data, preamble)
      if (as === 'stranger') return dltFrame(addressOctets(STRANGER), control, data, preamble)
      return dltFrame(addressOctets(STRANGER), 0x91, FOREIGN_DATA, preamble)
    }
  }
}

/** A Modbus reply, from its octets before the CRC. */
export function modbusReply(body: readonly number[]): Reply {
  return {
    checksumFromEnd: 2,
    start68: undefined,
    encode(as) {
      if (as === 'own') return modbusFrame(body)
      const stranger = ((body[0] ?? 0) % 247) + 1
      return modbusFrame(
        as === 'stranger' ? [stranger, ...body.slice(1)] : [stranger, 3, 4, 0x11, 0x22, 0x33, 0x44]
      )
    }
  }
}

/** A reply of a capture. */
export function plainReply(octets: readonly number[]): Reply {
  return { checksumFromEnd: 2, start68: undefined, encode: () => [...octets] }
}
