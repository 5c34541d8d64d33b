// Reads one Modbus meter again and again and says what CPU time a transaction took. A process of its own for each side.
// usage: bus-cpu-side.js wattproof|serialport|modbus-serial PORT BAUD UNIT TRANSACTIONS
import ModbusSerial from 'modbus-serial'
import { SerialPort } from 'serialport'
import { LineBus } from '../../drivers/bus/line-bus.ts'
import { openSerialLine } from '../../drivers/bus/serial-line.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { memory, quiet } from '../fixtures/learned.ts'

/** Enough for the compiler to have settled. */
const WARM_UP = 40
const REGISTERS = 10
const REPLY_OCTETS = 5 + 2 * REGISTERS

type ReadOnce = () => Promise<boolean>

const [side, path, baudText, unitText, countText] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string
]
const baud = Number(baudText)
const unit = Number(unitText)
const transactions = Number(countText)
const request = encodeReadRequest({ unit, function: 3, address: 0, count: REGISTERS })

const openers: Record<string, () => Promise<ReadOnce>> = {
  wattproof: openOurs,
  serialport: openSerialport,
  'modbus-serial': openModbusSerial
}
const open = openers[side]
if (!open) throw new Error(`no such side: ${side}`)
const read = await open()
for (let i = 0; i < WARM_UP; i++) await read()
const before = process.cpuUsage()
let answered = 0
for (let i = 0; i < transactions; i++) if (await read()) answered++
const used = process.cpuUsage(before)
const cpuMsEach = Math.round((used.user + used.system) / 10 / transactions) / 100
process.stdout.write(
  `${JSON.stringify({ bench: 'bus-cpu', side, baud, transactions, answered, cpuMsEach })}\n`,
  () => process.exit(0)
)

/** As the agent reads: with the gap, the breaker and all its ears open. */
async function openOurs(): Promise<ReadOnce> {
  const config = { name: 'cpu', port: `serial:${path}`, baud, parity: 'none' } as const
  const bus = new LineBus(config, {
    clock: createClock(),
    log: quiet,
    learned: memory(),
    random: Math.random,
    open: () => openSerialLine(path, config)
  })
  bus.start()
  return async () => {
    const outcome = await bus.exchange(request, { meterKey: `modbus:${unit}`, priority: 'slot' })
    return outcome.kind === 'reply'
  }
}

/** The package's stream as its guide has it, with the gap that Modbus asks for rounded up to a timer's. */
async function openSerialport(): Promise<ReadOnce> {
  const port = new SerialPort({ path, baudRate: baud })
  await new Promise<void>(resolve => {
    port.once('open', () => resolve())
  })
  const gapMs = Math.ceil(3.5 * (11_000 / baud))
  return async () => {
    let received = 0
    await new Promise<void>(resolve => {
      const listen = (octets: Buffer): void => {
        received += octets.length
        if (received < REPLY_OCTETS) return
        port.off('data', listen)
        setTimeout(resolve, gapMs)
      }
      port.on('data', listen)
      port.write(request.octets)
    })
    return received === REPLY_OCTETS
  }
}

async function openModbusSerial(): Promise<ReadOnce> {
  const client = new ModbusSerial.default()
  await client.connectRTUBuffered(path, { baudRate: baud })
  client.setTimeout(1000)
  client.setID(unit)
  return async () => {
    const answer = await client.readHoldingRegisters(0, REGISTERS).catch(() => undefined)
    return answer?.data.length === REGISTERS
  }
}
