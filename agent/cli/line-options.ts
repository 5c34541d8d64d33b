import type { GatewayConfig } from '../../config/gateway-config.ts'
import { findItem, ITEM_SETS, itemByKey } from '../../proto/items.ts'
import type { MeterPoint, Protocol } from '../ports.ts'
import { UsageError } from './errors.ts'
import { manyOption, type OptionSpec, type Options, textOption } from './verb.ts'

/** Options of every verb that opens a port itself. */
export const LINE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--port <port>',
    about: ['/dev/ttyS1, tcp://host:port or modbus-tcp://host:port', '串口设备或 tcp://主机:端口']
  },
  { flags: '--baud <baud>', about: ['line speed', '波特率'] },
  { flags: '--parity <parity>', about: ['parity', '校验'], choices: ['even', 'none', 'odd'] },
  { flags: '--stop-bits <n>', about: ['stop bits', '停止位'], choices: ['1', '2'], fallback: '1' }
]

export interface LineSettings {
  readonly port: string
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
  readonly stopBits: 1 | 2
}

const BAUDS = [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]

/**
 * The line settings of the options; where speed and parity are not given, those a meter of the protocol leaves the factory with
 * (DL/T 645-2007 2400 8E1, 1997 1200 8E1, Modbus 9600 8N1).
 * @throws UsageError USAGE_FLAG
 */
export function lineSettings(options: Options, protocol: Protocol): LineSettings {
  const port = textOption(options, 'port')
  if (port === undefined) {
    throw new UsageError('USAGE_FLAG', 'no port was named', {
      at: '--port',
      next: 'e.g. --port /dev/ttyS1 (ls /dev/serial/by-path shows adapters)'
    })
  }
  const baud = Number(
    textOption(options, 'baud') ?? { dlt645: 2400, 'dlt645-1997': 1200, modbus: 9600 }[protocol]
  )
  if (!BAUDS.includes(baud)) {
    throw new UsageError('USAGE_FLAG', `not a line speed: ${textOption(options, 'baud')}`, {
      at: '--baud',
      next: `one of ${BAUDS.join(', ')}`
    })
  }
  const parity = (textOption(options, 'parity') ??
    (protocol === 'modbus' ? 'none' : 'even')) as LineSettings['parity']
  return { port: normalPort(port), baud, parity, stopBits: textOption(options, 'stopBits') === '2' ? 2 : 1 }
}

/** "/dev/ttyS1" to "serial:/dev/ttyS1"; URLs stay. */
export function normalPort(port: string): string {
  return /^(serial|tcp|modbus-tcp):/.test(port) ? port : `serial:${port}`
}

/** A meter named on the command line rather than in the configuration. @throws UsageError */
export function adhocMeter(options: Options, protocol: Protocol): MeterPoint {
  const address = meterAddress(textOption(options, 'address'), protocol)
  const { items, rawItems } = wantedItems(options, ['standard'])
  const profile = textOption(options, 'profile')
  if (protocol === 'modbus' && items.length > 0 && profile === undefined) {
    throw new UsageError('USAGE_FLAG', 'a Modbus meter needs a profile', {
      at: '--profile',
      next: 'wattproof profile list shows the shipped ones; --reg 0x0000:2 reads bare registers'
    })
  }
  return {
    id: address,
    bus: 'line',
    protocol,
    address,
    profile,
    items,
    rawItems,
    ratedKva: undefined,
    ct: { primary: 1, secondary: 1 },
    pt: { primary: 1, secondary: 1 },
    ratioVersion: 1,
    parent: undefined,
    rules: {},
    location: undefined
  }
}

/** The configured meter of that name. @throws UsageError USAGE_NOT_FOUND */
export function configuredMeter(config: Pick<GatewayConfig, 'meters'>, id: string): MeterPoint {
  const meter = config.meters.find(point => point.id === id)
  if (meter) return meter
  throw new UsageError('USAGE_NOT_FOUND', `no meter is called ${JSON.stringify(id)}`, {
    at: '--meter',
    next: 'wattproof status lists the configured meters'
  })
}

/** The meter with the items of the options, or its own where none are given. @throws UsageError USAGE_FLAG */
export function withWanted(meter: MeterPoint, options: Options): MeterPoint {
  const wanted = wantedItems(options, [])
  return wanted.items.length + wanted.rawItems.length > 0 ? { ...meter, ...wanted } : meter
}

/** What --item, --di and --reg name; the fallback sets where they name nothing. */
function wantedItems(
  options: Options,
  fallback: readonly string[]
): { items: readonly number[]; rawItems: readonly string[] } {
  const rawItems = [
    ...manyOption(options, 'di').map(di =>
      rawItem(
        `di:${di}`,
        /^di:[0-9A-Fa-f]{4}([0-9A-Fa-f]{4})?$/,
        '--di',
        '4 or 8 hexadecimal digits, e.g. 00010000'
      )
    ),
    ...manyOption(options, 'reg').map(reg =>
      rawItem(
        `reg:${reg}`,
        /^reg:([34]:)?0x[0-9a-fA-F]{1,4}:\d{1,3}$/,
        '--reg',
        'ADDRESS:COUNT, e.g. 0x0048:2'
      )
    )
  ]
  const named = manyOption(options, 'item')
  const keys = named.length > 0 ? named : rawItems.length > 0 ? [] : fallback
  const items = keys.flatMap(key => {
    const set = ITEM_SETS[key]
    if (set) return set.map(name => itemByKey(name).id)
    const item = findItem(key)
    if (!item) {
      throw new UsageError('USAGE_FLAG', `no item or set is called ${JSON.stringify(key)}`, {
        at: '--item',
        next: 'wattproof items lists them'
      })
    }
    return [item.id]
  })
  return { items: [...new Set(items)].sort((a, b) => a - b), rawItems }
}

function rawItem(name: string, form: RegExp, flag: string, next: string): string {
  if (!form.test(name))
    throw new UsageError('USAGE_FLAG', `does not have the right form: ${name.slice(name.indexOf(':') + 1)}`, {
      at: flag,
      next
    })
  return name.startsWith('di:') ? `di:${name.slice(3).toUpperCase()}` : name
}

/** An address as the protocol has it, padded. @throws UsageError USAGE_FLAG */
export function meterAddress(text: string | undefined, protocol: Protocol): string {
  if (text === undefined) {
    throw new UsageError('USAGE_FLAG', 'no address was given', {
      at: '--address',
      next: 'wattproof scan --port P finds the meters on a line'
    })
  }
  if (protocol === 'modbus') {
    const unit = Number(text)
    if (/^\d{1,3}$/.test(text) && unit >= 1 && unit <= 247) return String(unit)
    throw new UsageError('USAGE_FLAG', `not a Modbus address: ${text}`, {
      at: '--address',
      next: 'a number from 1 to 247'
    })
  }
  if (/^[0-9]{1,12}$/.test(text)) return text.padStart(12, '0')
  if (/^(AA){1,6}[0-9]*$/i.test(text) && text.length === 12) return text.toUpperCase()
  throw new UsageError('USAGE_FLAG', `not a DL/T 645 address: ${text}`, {
    at: '--address',
    next: 'up to 12 digits; AAAAAAAAAAAA when one meter is alone on the line'
  })
}
