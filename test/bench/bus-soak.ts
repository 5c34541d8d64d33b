import type { BusOutcome } from '../../drivers/bus/bus.ts'
import type { Line } from '../../drivers/bus/line.ts'
import { LineBus } from '../../drivers/bus/line-bus.ts'
import { createClock } from '../../drivers/host/clock.ts'
import { concatBytes } from '../../proto/bytes.ts'
import { appendCrc } from '../../proto/modbus/crc.ts'
import { encodeReadRequest } from '../../proto/modbus/request.ts'
import { memory, quiet } from '../fixtures/learned.ts'

const METERS = 100
const REGISTERS = 20
const NOISE_EVERY = 7
/** Growth of resident memory between a tenth of the way and the end that is not noise of the collector. */
const GROWTH_ALLOWED_MB = 12

/**
 * Puts N transactions through a bus whose line is in memory, with noise and strangers among the answers.
 * @returns exit code: 1 when memory grew or an answer was missed
 */
export async function soakBus(transactions: number): Promise<number> {
  const clock = createClock()
  const bus = new LineBus(
    { name: 'soak', port: 'serial:/dev/null', baud: 115200, parity: 'none' },
    {
      clock,
      log: quiet,
      learned: memory(),
      random: Math.random,
      open: async () => memoryLine()
    }
  )
  bus.start()
  const startedMs = clock.monotonicMs()
  let earlyMb = 0
  let missed = 0
  for (let i = 0; i < transactions; i++) {
    const unit = 1 + (i % METERS)
    const request = encodeReadRequest({ unit, function: 3, address: i % 1000, count: REGISTERS })
    const outcome: BusOutcome = await bus.exchange(request, { meterKey: `modbus:${unit}`, priority: 'slot' })
    if (outcome.kind !== 'reply') missed++
    if (i === Math.floor(transactions / 10)) earlyMb = residentMb()
  }
  const elapsedMs = clock.monotonicMs() - startedMs
  const endMb = residentMb()
  await bus.close()
  const grewMb = endMb - earlyMb
  process.stdout.write(
    `${JSON.stringify({
      bench: 'bus-soak',
      transactions,
      missed,
      usEach: Math.round((elapsedMs * 1000) / transactions),
      rssEarlyMb: round(earlyMb),
      rssEndMb: round(endMb),
      grewMb: round(grewMb)
    })}\n`
  )
  return missed === 0 && grewMb < GROWTH_ALLOWED_MB ? 0 : 1
}

const round = (value: number) => Math.round(value * 10) / 10
const residentMb = () => process.memoryUsage.rss() / 2 ** 20

/** A meter that answers at once, now and then behind noise and somebody else's frame. */
function memoryLine(): Line {
  let pending = new Uint8Array(0)
  let asked = 0
  const noise = concatBytes(Uint8Array.of(0x00, 0xff), appendCrc(Uint8Array.of(201, 3, 2, 1, 2)))
  return {
    detail: 'in memory',
    paced: false,
    checksParity: true,
    slackMs: 0,
    write(octets) {
      const head = [octets[0] as number, 3, 2 * REGISTERS]
      const answer = appendCrc(Uint8Array.from([...head, ...new Array(2 * REGISTERS).fill(asked & 0xff)]))
      pending = Uint8Array.from(asked++ % NOISE_EVERY === 0 ? concatBytes(noise, answer) : answer)
    },
    take() {
      const octets = pending
      pending = new Uint8Array(0)
      return octets
    },
    onReadable(callback) {
      if (pending.length > 0) setImmediate(callback)
    },
    ignoreReadable() {},
    async apply() {},
    moved: () => false,
    errorCounters: () => ({}),
    async close() {}
  }
}
