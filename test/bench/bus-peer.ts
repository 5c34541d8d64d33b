// Reads one bus of the yardstick with another library, as its users do: request after request, one repeat after a failure.
// usage: bus-peer.js modbus-serial|libmodbus|pymodbus PLAN.json BUS
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import koffi from 'koffi'
import ModbusSerial from 'modbus-serial'
import type { YardstickResult } from './bus-yardstick.ts'

interface Plan {
  readonly lines: string
  readonly buses: readonly { readonly baud: number; readonly parity: 'even' | 'none' | 'odd' }[]
  readonly meters: readonly {
    readonly bus: number
    readonly addr: number
    readonly values: readonly string[]
    readonly blocks: readonly (readonly [number, number])[]
  }[]
}

/** Registers of a range; undefined when the peer could not read them. */
type ReadRange = (unit: number, address: number, count: number) => Promise<readonly number[] | undefined>

const TIMEOUT_MS = 1000

async function main(peer: string, file: string, bus: number): Promise<void> {
  const plan: Plan = JSON.parse(readFileSync(file, 'utf8'))
  const path = `${plan.lines}/bus${bus}`
  const { baud, parity } = plan.buses[bus] as Plan['buses'][number]
  if (peer === 'pymodbus') return void process.stdout.write(readByPymodbus(path, file, bus))
  const read =
    peer === 'modbus-serial' ? await openModbusSerial(path, baud, parity) : openLibmodbus(path, baud, parity)
  const results: YardstickResult[] = []
  for (const meter of plan.meters.filter(meter => meter.bus === bus)) {
    for (const [address, count] of meter.blocks) {
      const words = (await read(meter.addr, address, count)) ?? (await read(meter.addr, address, count))
      if (words) results.push(...valuesIn(meter.values, address, words, bus, meter.addr))
    }
  }
  process.stdout.write(JSON.stringify(results), () => process.exit(0))
}

function valuesIn(
  keys: readonly string[],
  address: number,
  words: readonly number[],
  bus: number,
  unit: number
): YardstickResult[] {
  return keys.flatMap(key => {
    const [from, count] = key.split(':').map(Number) as [number, number]
    if (from < address || from + count > address + words.length) return []
    const part = words.slice(from - address, from - address + count)
    return [[bus, 'modbus', unit, key, part.map(word => word.toString(16).padStart(4, '0')).join('')]]
  })
}

async function openModbusSerial(path: string, baudRate: number, parity: string): Promise<ReadRange> {
  const client = new ModbusSerial.default()
  await client.connectRTUBuffered(path, { baudRate, parity: parity as 'even' })
  client.setTimeout(TIMEOUT_MS)
  return async (unit, address, count) => {
    client.setID(unit)
    return client.readHoldingRegisters(address, count).then(
      answer => answer.data,
      () => undefined
    )
  }
}

function openLibmodbus(path: string, baud: number, parity: string): ReadRange {
  const library = koffi.load('libmodbus.so.5')
  const open = library.func('void *modbus_new_rtu(str device, int baud, char parity, int data, int stop)')
  const setSlave = library.func('int modbus_set_slave(void *context, int unit)')
  const connect = library.func('int modbus_connect(void *context)')
  const setTimeout = library.func(
    'int modbus_set_response_timeout(void *context, uint32_t seconds, uint32_t micros)'
  )
  const read = library.func(
    'int modbus_read_registers(void *context, int address, int count, _Out_ uint16_t *words)'
  )
  const context = open(path, baud, parity[0]?.toUpperCase().charCodeAt(0), 8, 1)
  setTimeout(context, TIMEOUT_MS / 1000, 0)
  if (connect(context) !== 0) throw new Error('libmodbus cannot open the port')
  return async (unit, address, count) => {
    setSlave(context, unit)
    const words = new Uint16Array(count)
    return read(context, address, count, words) === count ? [...words] : undefined
  }
}

const PYMODBUS = `
import json, sys
try:
    from pymodbus.client import ModbusSerialClient
except ImportError:
    from pymodbus.client.sync import ModbusSerialClient
path, file, bus = sys.argv[1], sys.argv[2], int(sys.argv[3])
plan = json.load(open(file)); setting = plan['buses'][bus]; out = []
# pyserial sets the line twice and a pseudo-terminal refuses parity the second time; the yardstick paces by itself
options = dict(port=path, baudrate=setting['baud'], parity='N', stopbits=1, bytesize=8, timeout=1)
try: client = ModbusSerialClient(**options)
except TypeError: client = ModbusSerialClient(method='rtu', **options)
client.connect()
def read(unit, address, count):
    for name in ('slave', 'unit', 'device_id'):
        try: answer = client.read_holding_registers(address, count=count, **{name: unit}); break
        except TypeError: continue
    return None if answer is None or answer.isError() else answer.registers
for meter in plan['meters']:
    if meter['bus'] != bus: continue
    for address, count in meter['blocks']:
        words = read(meter['addr'], address, count) or read(meter['addr'], address, count)
        if not words: continue
        for key in meter['values']:
            start, size = key.split(':'); start, size = int(start, 16), int(size)
            if start >= address and start + size <= address + count:
                out.append([bus, 'modbus', meter['addr'], key, ''.join('%04x' % w for w in words[start - address:start - address + size])])
print(json.dumps(out))
`

function readByPymodbus(path: string, file: string, bus: number): string {
  const python = process.env['PYTHON'] ?? 'python3'
  return execFileSync(python, ['-c', PYMODBUS, path, file, String(bus)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28
  })
}

const [peer, file, bus] = process.argv.slice(2)
await main(String(peer), String(file), Number(bus))
