import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { MeterPoint, TransformerRatio } from '../agent/ports.ts'
import { findItem, ITEM_SETS, itemByKey } from '../proto/items.ts'
import { ConfigError, type ConfigProblem, formatProblem } from './errors.ts'
import type { BusConfig, GatewayConfig } from './gateway-config.ts'
import { packageRoot } from './locate.ts'
import type { RawConfig, RawMeter } from './raw-config.ts'
import { parseDurationMs, parseRatio, parseSize } from './units.ts'
import { validateSource } from './validate.ts'
import { parseYamlSource, type YamlSource } from './yaml-source.ts'

/** The JSON Schema of a gateway configuration. */
export function gatewaySchema(): object {
  return JSON.parse(readFileSync(join(packageRoot(), 'config/schema.json'), 'utf8'))
}

/**
 * Reads and checks a gateway configuration.
 * @throws ConfigError with every problem, each with line and column
 */
export function loadConfig(file: string): GatewayConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ConfigError(
      'CONFIG_UNREADABLE',
      `cannot read the configuration: ${(cause as NodeJS.ErrnoException).code}`,
      {
        at: file,
        next: 'name it with --config FILE, or start from config/gateway.example.yaml',
        cause
      }
    )
  }
  return parseConfig(text, file)
}

/** As {@link loadConfig} for a text already read; relative paths start at the file's folder. */
export function parseConfig(text: string, file: string): GatewayConfig {
  const source = parseYamlSource(text, file)
  const problems = validateSource(source, gatewaySchema())
  if (problems.length === 0) problems.push(...crossCheck(source.value as RawConfig, source))
  if (problems.length > 0) {
    const first = problems[0] as ConfigProblem
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more: wattproof config check)` : ''
    throw new ConfigError(
      source.problems.length > 0 ? 'CONFIG_SYNTAX' : 'CONFIG_INVALID',
      `${formatProblem(first)}${more}`,
      {
        at: `${first.file}:${first.line}:${first.column}`,
        next: first.next,
        problems
      }
    )
  }
  return build(source.value as RawConfig, file)
}

/** What a schema cannot say: names that must agree, addresses, ratios. */
function crossCheck(raw: RawConfig, source: YamlSource): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const report = (path: (string | number)[], message: string, next: string) =>
    problems.push({ file: source.file, ...source.place(path), key: path.join('.'), message, next })

  const buses = new Set<string>()
  const ports = new Map<string, string>()
  raw.buses.forEach((bus, i) => {
    if (buses.has(bus.name))
      report(['buses', i, 'name'], `bus ${bus.name} is there twice`, 'give each bus its own name')
    buses.add(bus.name)
    const other = ports.get(bus.port)
    if (other !== undefined)
      report(['buses', i, 'port'], `bus ${other} has this port already`, 'one bus owns one port')
    ports.set(bus.port, bus.name)
  })
  const ids = new Set<string>()
  const addresses = new Map<string, string>()
  raw.meters.forEach((meter, i) => {
    const at = (key: string) => ['meters', i, key]
    if (ids.has(meter.id))
      report(at('id'), `meter ${meter.id} is there twice`, 'a metering point is listed once')
    ids.add(meter.id)
    if (!buses.has(meter.bus))
      report(at('bus'), `no bus is called ${meter.bus}`, `buses: ${[...buses].join(', ')}`)
    const address = normalAddress(meter)
    if (address === undefined) {
      const next =
        meter.protocol === 'modbus'
          ? 'a Modbus address is 1 to 247'
          : 'a DL/T 645 address is up to 12 digits, in quotes'
      report(at('address'), `not an address: ${JSON.stringify(meter.address)}`, next)
    } else {
      const family = meter.protocol === 'modbus' ? 'modbus' : 'dlt645'
      const key = `${meter.bus} ${family} ${address}`
      const other = addresses.get(key)
      if (other !== undefined)
        report(
          at('address'),
          `meter ${other} has this address on ${meter.bus}`,
          'two meters cannot share an address'
        )
      addresses.set(key, meter.id)
    }
    const wanted = typeof meter.items === 'string' ? [meter.items] : meter.items
    // raw registers need no map; items of the catalogue do
    if (meter.protocol === 'modbus' && meter.profile === undefined && !wanted.every(isRawItem)) {
      report(
        at('protocol'),
        'a Modbus meter needs a profile',
        'add profile: (wattproof profile list shows the shipped ones)'
      )
    }
    if (meter.protocol !== 'modbus' && meter.profile !== undefined) {
      report(at('profile'), 'only Modbus meters have a profile', 'remove it')
    }
    for (const key of ['ct', 'pt'] as const) {
      if (meter[key] !== undefined && parseRatio(String(meter[key])) === undefined) {
        report(
          at(key),
          `not a ratio: ${JSON.stringify(meter[key])}`,
          'write it as primary/secondary, e.g. 150/5'
        )
      }
    }
    wanted.forEach((name, k) => {
      if (isRawItem(name) || findItem(name) || ITEM_SETS[name]) return
      const path = typeof meter.items === 'string' ? at('items') : [...at('items'), k]
      report(
        path,
        `no item or set is called ${JSON.stringify(name)}`,
        `sets: ${Object.keys(ITEM_SETS).join(', ')}; wattproof items lists the items`
      )
    })
  })
  raw.meters.forEach((meter, i) => {
    if (meter.parent === undefined) return
    if (meter.parent === meter.id)
      report(['meters', i, 'parent'], 'a meter cannot be its own parent', 'name the meter upstream')
    else if (!ids.has(meter.parent))
      report(['meters', i, 'parent'], `no meter is called ${meter.parent}`, 'name a configured meter')
  })
  const slotMs = parseDurationMs(raw.slot)
  if (!slotMs) report(['slot'], `not a length of time: ${raw.slot}`, 'e.g. 15m')
  try {
    new Intl.DateTimeFormat('en', { timeZone: raw.gateway.timezone })
  } catch {
    report(
      ['gateway', 'timezone'],
      `no time zone is called ${raw.gateway.timezone}`,
      'an IANA name, e.g. Asia/Shanghai'
    )
  }
  if (raw.broker) {
    if (!raw.recipients?.length)
      report(
        ['broker'],
        'readings cannot be sealed without recipients',
        'add recipients: with the ledger key'
      )
    if (!raw.ledger)
      report(
        ['broker'],
        'delivery cannot be proved without the ledger key',
        'add ledger: { receiptKey: FILE }'
      )
  }
  return problems
}

const isRawItem = (name: string) =>
  /^di:[0-9a-fA-F]{4,8}$|^reg:(?:[34]:)?0x[0-9a-fA-F]{1,4}:\d{1,3}$/.test(name)

/** 12 digits for DL/T 645, 1..247 for Modbus; undefined when it is neither. */
function normalAddress(meter: RawMeter): string | undefined {
  const text = String(meter.address)
  if (meter.protocol === 'modbus')
    return /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 247
      ? String(Number(text))
      : undefined
  // YAML turns unquoted digits with a leading 0 into other numbers: only a text is safe
  return typeof meter.address === 'string' && /^\d{1,12}$/.test(text) ? text.padStart(12, '0') : undefined
}

function build(raw: RawConfig, file: string): GatewayConfig {
  const base = dirname(resolve(file))
  const path = (name: string) => (isAbsolute(name) ? name : join(base, name))
  const optional = (name: string | undefined) => (name === undefined ? undefined : path(name))
  const days = (text: string) => (parseDurationMs(text) as number) / 86_400_000
  const retention = { readings: '90d', batches: '400d', diskMax: '2GiB', ...raw.retention }
  return {
    file,
    gateway: raw.gateway.id,
    timezone: raw.gateway.timezone,
    location: raw.gateway.location,
    stateDir: path(raw.state),
    slotSeconds: (parseDurationMs(raw.slot) as number) / 1000,
    suite: raw.suite,
    buses: raw.buses.map(bus => ({ ...bus, port: serialPath(bus, path) })),
    meters: raw.meters.map(meter => toMeterPoint(meter, raw, path)),
    customers: new Map(
      raw.meters.flatMap(meter => (meter.customer === undefined ? [] : [[meter.id, meter.customer] as const]))
    ),
    broker: raw.broker && {
      url: raw.broker.url,
      caFile: optional(raw.broker.ca),
      certFile: optional(raw.broker.cert),
      keyFile: optional(raw.broker.key),
      username: raw.broker.username,
      passwordFile: optional(raw.broker.passwordFile),
      keepaliveSeconds: (parseDurationMs(raw.broker.keepalive) as number) / 1000
    },
    recipients: (raw.recipients ?? []).map(({ name, key }) => ({ name, keyFile: path(key) })),
    receiptKeyFile: optional(raw.ledger?.receiptKey),
    chain: raw.chain && {
      kind: raw.chain.kind,
      rpc: raw.chain.rpc,
      contract: raw.chain.contract,
      finality: raw.chain.finality,
      pollMs: parseDurationMs(raw.chain.poll) as number
    },
    rules: raw.rules ?? {},
    retention: {
      readingsDays: days(retention.readings),
      batchesDays: days(retention.batches),
      diskMaxBytes: parseSize(retention.diskMax) as number
    },
    backfill: { enabled: true, days: 30, share: 0.3, ...raw.backfill },
    broadcastTime: raw.clock?.broadcast ?? false,
    metricsListen: raw.metrics?.listen,
    logLevel: raw.log?.level ?? 'info'
  }
}

function serialPath(bus: BusConfig, path: (name: string) => string): string {
  return bus.port.startsWith('serial:') ? `serial:${path(bus.port.slice('serial:'.length))}` : bus.port
}

function toMeterPoint(meter: RawMeter, raw: RawConfig, path: (name: string) => string): MeterPoint {
  const wanted = typeof meter.items === 'string' ? [meter.items] : meter.items
  const names = wanted.flatMap(name => (isRawItem(name) ? [] : (ITEM_SETS[name] ?? [name])))
  const items = [...new Set(names.map(name => itemByKey(name).id))].sort((a, b) => a - b)
  const isFile = meter.profile !== undefined && /\.ya?ml$/.test(meter.profile)
  return {
    id: meter.id,
    bus: meter.bus,
    protocol: meter.protocol,
    address: normalAddress(meter) as string,
    profile: isFile ? path(meter.profile as string) : meter.profile,
    items,
    rawItems: wanted.filter(isRawItem),
    ratedKva: meter.ratedKva,
    ct: parseRatio(String(meter.ct)) as TransformerRatio,
    pt: parseRatio(String(meter.pt)) as TransformerRatio,
    ratioVersion: meter.ratioVersion,
    parent: meter.parent,
    rules: { ...raw.rules, ...meter.rules },
    location: meter.location ?? raw.gateway.location,
    ...((meter.slotValue ?? raw.slotValue) === 'profile' ? { slotValue: 'profile' as const } : {})
  }
}
