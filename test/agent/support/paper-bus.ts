import type { BusStatus, Priority } from '../../../agent/ports.ts'
import type { Bus, BusOutcome, ExchangeOptions } from '../../../drivers/bus/bus.ts'
import { RequestQueue } from '../../../drivers/bus/queue.ts'
import { DltListener } from '../../../drivers/simulator/dlt-listen.ts'
import { Meter, type Surroundings } from '../../../drivers/simulator/meter-model.ts'
import type { MeterSetting } from '../../../drivers/simulator/meter-setting.ts'
import { answerModbus } from '../../../drivers/simulator/modbus-slave.ts'
import { applyFaults, type Reply } from '../../../drivers/simulator/reply-faults.ts'
import { createSlave, dltReply, modbusReply, type Slave } from '../../../drivers/simulator/slave.ts'
import type { ReadRequest } from '../../../proto/bus-reply.ts'
import { assertReadOnlyDlt645, type BeyondReading } from '../../../proto/dlt645/control-code.ts'
import { assertReadOnlyModbus } from '../../../proto/modbus/function-code.ts'
import type { VirtualClock } from './virtual-clock.ts'

interface Entry {
  readonly priority: Priority
  readonly request: ReadRequest
  readonly options: ExchangeOptions
  readonly resolve: (outcome: BusOutcome) => void
  readonly reject: (reason: unknown) => void
}

const TURNAROUND_MS = 40

/** The simulator's meters on a line in virtual time: the real queue, the real replies, octets that take as long as on the wire. */
export class PaperBus implements Bus {
  readonly name: string
  readonly baud: number
  readonly slaves: Slave[]
  readonly allow: BeyondReading = { broadcastTime: true }
  /** what was asked, in order, with who asked */
  readonly log: { readonly atMs: number; readonly priority: Priority; readonly asked: string }[] = []
  isDown = false
  readonly #clock: VirtualClock
  readonly #queue = new RequestQueue<Entry>()
  readonly #usedMs: Partial<Record<Priority, number>> = {}
  #replies = 0
  #pumping = false

  constructor(
    name: string,
    baud: number,
    meters: readonly MeterSetting[],
    around: Surroundings,
    clock: VirtualClock
  ) {
    this.name = name
    this.baud = baud
    this.#clock = clock
    this.slaves = meters.map(meter => createSlave(new Meter(meter, name, around), '.'))
  }

  /** The simulated meter of an address. */
  meter(address: string): Meter {
    const slave = this.slaves.find(({ meter }) => meter.setting.address === address)
    if (!slave) throw new Error(`no meter ${address}`)
    return slave.meter
  }

  exchange(request: ReadRequest, options: ExchangeOptions): Promise<BusOutcome> {
    options.signal?.throwIfAborted()
    if (request.protocol === 'modbus') assertReadOnlyModbus(request.octets)
    else assertReadOnlyDlt645(request.octets, this.allow)
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (this.#queue.remove(entry)) reject(options.signal?.reason)
      }
      const settle = (outcome: BusOutcome): void => {
        options.signal?.removeEventListener('abort', abort)
        resolve(outcome)
      }
      const entry: Entry = { priority: options.priority, request, options, resolve: settle, reject }
      options.signal?.addEventListener('abort', abort, { once: true })
      this.#queue.add(entry)
      if (!this.#pumping) {
        this.#pumping = true
        void this.#pump()
      }
    })
  }

  probing(): boolean {
    return false
  }

  status(): BusStatus {
    const counters = Object.fromEntries(
      Object.entries(this.#usedMs).map(([name, ms]) => [`${name}Ms`, ms ?? 0])
    )
    const state = this.isDown ? 'down' : 'open'
    return { name: this.name, port: '', state, detail: '', counters, breakers: [] }
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  async #pump(): Promise<void> {
    for (;;) {
      await Promise.resolve()
      const entry = this.#queue.take(() => true)
      if (!entry) break
      const fromMs = this.#clock.monotonicMs()
      const outcome = await this.#serve(entry)
      const spentMs = this.#clock.monotonicMs() - fromMs
      this.#queue.note(entry.priority, spentMs, this.#clock.monotonicMs())
      this.#usedMs[entry.priority] = (this.#usedMs[entry.priority] ?? 0) + spentMs
      entry.resolve(outcome)
    }
    this.#pumping = false
  }

  async #serve({ request, priority }: Entry): Promise<BusOutcome> {
    this.log.push({ atMs: this.#clock.nowMs(), priority, asked: request.asked })
    if (this.isDown) return { kind: 'busDown', detail: 'down' }
    const characterMs = 11_000 / this.baud
    await this.#clock.wait(request.octets.length * characterMs)
    const octets = this.#answer(request)
    await this.#clock.wait(
      octets ? TURNAROUND_MS + octets.length * characterMs : Math.min(request.turnaroundMaxMs, 600)
    )
    return octets ? this.#receive(request, octets) : { kind: 'silent' }
  }

  #answer(request: ReadRequest): Uint8Array | undefined {
    const unixS = this.#clock.nowMs() / 1000
    const frames = new DltListener().feed(request.octets)
    for (const slave of this.slaves) {
      const reply = replyOf(slave, request, frames, unixS)
      if (!reply) continue
      const said = applyFaults(reply, slave.meter.faults, slave.meter.seed, this.#replies++)
      if (said) return Uint8Array.from(said.octets)
    }
    return undefined
  }

  #receive(request: ReadRequest, octets: Uint8Array): BusOutcome {
    let rest = octets
    for (;;) {
      const match = request.match(rest)
      if (match.kind === 'more') return { kind: 'garbage', octets, reason: 'truncated' }
      if (match.kind === 'reply') {
        return {
          kind: 'reply',
          frame: rest.slice(match.start, match.end),
          turnaroundMs: TURNAROUND_MS,
          endAtMs: this.#clock.nowMs(),
          discarded: 0,
          afterTimeout: false
        }
      }
      rest = rest.slice(match.kind === 'noise' ? match.octets : match.end)
    }
  }
}

function replyOf(
  slave: Slave,
  request: ReadRequest,
  frames: ReturnType<DltListener['feed']>,
  unixS: number
): Reply | undefined {
  if (slave.kind === 'dlt645' && request.protocol === 'dlt645') {
    for (const frame of frames) {
      const answer = slave.responder.answer(frame, unixS)
      if (answer) return dltReply(slave.meter, answer.control, answer.data)
    }
  }
  if (slave.kind === 'modbus' && request.protocol === 'modbus') {
    if (Number(slave.meter.setting.address) !== request.octets[0]) return undefined
    return modbusReply(answerModbus(slave.meter, slave.profile, [...request.octets], unixS))
  }
  return undefined
}
