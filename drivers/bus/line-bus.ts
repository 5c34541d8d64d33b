import type { BusStatus, Clock, LearnedStore, Log, Priority } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'
import { Breaker } from './breaker.ts'
import type { Bus, BusOutcome, ExchangeOptions, LineSetting } from './bus.ts'
import type { BusConfig } from './config.ts'
import { Counters } from './counters.ts'
import { Doubts } from './doubts.ts'
import { isLineFault } from './errors.ts'
import { HeldBack } from './held-back.ts'
import type { Line } from './line.ts'
import { LineKeeper, type LineOpener } from './line-keeper.ts'
import { Listening } from './listening.ts'
import { Liveness } from './liveness.ts'
import { RequestQueue } from './queue.ts'
import { assertReadOnly } from './read-only.ts'
import { Settlement } from './settlement.ts'
import { StrayOctets } from './stray-octets.ts'
import { turnLoop, UNPACED, wireTiming } from './timing.ts'
import { readable, type TransactionResult, transact } from './transaction.ts'
import { Turnarounds } from './turnarounds.ts'

/** Octets nobody asked for are looked at this long after the first: a talkative stranger must not cost a wake-up each. */
const IDLE_LOOK_MS = 50
/** A guard waits this long at a time. */
const GUARD_LOOK_MS = 20
/** A request whose answer could not be told from one to another master is kept back for this long at the most. */
const RIVAL_HOLD_MS = 3_000

export interface BusDeps {
  readonly clock: Clock
  readonly log: Log
  readonly learned: LearnedStore
  /** in [0, 1); spreads the retries of the breakers */
  readonly random: () => number
  readonly open: LineOpener
}

interface Entry {
  readonly priority: Priority
  readonly request: ReadRequest
  readonly options: ExchangeOptions
  /** monotonic */
  readonly sinceMs: number
  readonly resolve: (outcome: BusOutcome) => void
  readonly reject: (reason: unknown) => void
}

/** The one owner of a line: everything that is asked on it goes through here, one transaction at a time. */
export class LineBus implements Bus {
  readonly #config: BusConfig
  readonly #clock: Clock
  readonly #counters = new Counters()
  readonly #queue = new RequestQueue<Entry>()
  readonly #doubts = new Doubts()
  readonly #heldBack = new HeldBack()
  readonly #keeper: LineKeeper
  readonly #breaker: Breaker
  readonly #turnarounds: Turnarounds
  readonly #strays: StrayOctets
  readonly #listening: Listening
  readonly #settlement: Settlement
  #line: Line | undefined
  #liveness: Liveness | undefined
  #setting: LineSetting
  #echoes = 0
  #pumping = false
  #closed = false
  #wake: (() => void) | undefined

  constructor(config: BusConfig, deps: BusDeps) {
    this.#config = config
    this.#clock = deps.clock
    this.#setting = config
    this.#keeper = new LineKeeper(config, deps, this.#counters, line => this.#adopt(line))
    this.#breaker = new Breaker(deps.clock, deps.learned, config.name, deps.random)
    this.#turnarounds = new Turnarounds(deps.learned, config.name)
    this.#strays = new StrayOctets(deps.clock, this.#counters, this.#doubts, this.#breaker, this.#turnarounds)
    this.#listening = new Listening(deps.clock, this.#counters, this.#doubts, this.#turnarounds, this.#strays)
    this.#settlement = new Settlement(
      deps.clock,
      this.#counters,
      this.#doubts,
      this.#breaker,
      this.#turnarounds
    )
  }

  get name(): string {
    return this.#config.name
  }

  get baud(): number {
    return this.#config.baud
  }

  get isDoubtful(): boolean {
    const line = this.#keeper.current
    return line !== undefined && !line.checksParity && this.#settlement.hasSpoilt
  }

  /** Begins to open the line. */
  start(): void {
    this.#keeper.start()
  }

  async exchange(request: ReadRequest, options: ExchangeOptions): Promise<BusOutcome> {
    assertReadOnly(request, this.#config)
    options.signal?.throwIfAborted()
    if (this.#closed) return { kind: 'busDown', detail: 'closed' }
    return new Promise<BusOutcome>((resolve, reject) => {
      const abort = (): void => {
        if (this.#queue.remove(entry)) reject(options.signal?.reason)
      }
      const forget = (): void => options.signal?.removeEventListener('abort', abort)
      const entry: Entry = {
        priority: options.priority,
        request,
        options,
        sinceMs: this.#clock.monotonicMs(),
        resolve: outcome => {
          forget()
          resolve(outcome)
        },
        reject: reason => {
          forget()
          reject(reason)
        }
      }
      options.signal?.addEventListener('abort', abort, { once: true })
      this.#queue.add(entry)
      this.#wake?.()
      if (!this.#pumping) {
        this.#pumping = true
        void this.#pump()
      }
    })
  }

  probing(meterKey: string): boolean {
    return this.#breaker.probing(meterKey)
  }

  status(): BusStatus {
    return {
      name: this.name,
      port: this.#config.port,
      state: this.#keeper.state,
      detail: this.#keeper.detail,
      counters: { ...this.#counters.snapshot(), ...this.#keeper.current?.errorCounters() },
      breakers: this.#breaker.open()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll('closed')
    this.#wake?.()
    await this.#keeper.close()
  }

  async #pump(): Promise<void> {
    while (!this.#closed) {
      // Whoever got the last answer has put its next request by now: who goes next is decided with all of them known.
      await turnLoop()
      if (this.#queue.size === 0) break
      const line = await this.#keeper.line()
      if (!line) {
        this.#failAll(this.#keeper.detail)
        continue
      }
      const nowMs = this.#clock.monotonicMs()
      const entry = this.#queue.take(candidate => this.#notBeforeMs(candidate) <= nowMs)
      if (entry) await this.#serve(entry, line).catch(entry.reject)
      else await this.#waitForReady(line)
    }
    this.#pumping = false
    if (this.#line) this.#watchIdle(this.#line)
  }

  #adopt(line: Line): void {
    this.#line = line
    this.#liveness = new Liveness(line.slackMs === 0)
    this.#setting = this.#config
    this.#echoes = 0
    this.#heldBack.forget()
    this.#listening.freeAtMs = this.#clock.monotonicMs()
    if (!this.#pumping) this.#watchIdle(line)
  }

  #notBeforeMs({ request, options, sinceMs }: Entry): number {
    const nowMs = this.#clock.monotonicMs()
    return Math.max(
      this.#doubts.notBeforeMs(options.meterKey, request, nowMs),
      Math.min(this.#listening.foreign.notBeforeMs(request, nowMs), sinceMs + RIVAL_HOLD_MS)
    )
  }

  /** Everything that waits has to: a late answer could pass for its own. It may come meanwhile, or something else. */
  async #waitForReady(line: Line): Promise<void> {
    this.#counters.add('guardWaits')
    const arrival = new Promise<void>(resolve => {
      this.#wake = resolve
    })
    await Promise.race([arrival, readable(line, GUARD_LOOK_MS)])
    this.#wake = undefined
    try {
      this.#listening.hear(line)
    } catch (error) {
      if (!isLineFault(error)) throw error
      this.#lose(error.message)
    }
  }

  async #serve(entry: Entry, line: Line): Promise<void> {
    const { request, options } = entry
    const setting = options.line ?? this.#config
    const timing = line.paced ? wireTiming(setting) : UNPACED
    const failures = this.#breaker.failures(options.meterKey)
    const learnedMs = this.#turnarounds.firstOctetMs(
      request,
      options.meterKey,
      failures,
      this.#clock.monotonicMs(),
      request.protocol === 'dlt645' || options.tellsLate === true
    )
    const firstOctetMs = Math.min(learnedMs, options.patienceMs ?? learnedMs)
    if (options.priority !== 'technician' && options.force !== true) {
      const costMs = request.octets.length * timing.characterMs + firstOctetMs
      const verdict = this.#breaker.judge(options.meterKey, costMs)
      if (verdict.kind === 'skip') {
        this.#counters.add('skipped')
        return entry.resolve({ kind: 'skipped', nextTryAtMs: verdict.nextTryAtMs })
      }
      if (verdict.kind === 'probe') this.#counters.add('probes')
    }
    const fromMs = this.#clock.monotonicMs()
    try {
      if (setting.baud !== this.#setting.baud || setting.parity !== this.#setting.parity) {
        await line.apply(setting)
        this.#setting = setting
      }
      const gapMs = request.protocol === 'modbus' ? timing.modbusGapMs : timing.dlt645GapMs
      if (!(await this.#listening.quiet(line, gapMs, timing.characterMs))) {
        this.#counters.add('jammed')
        return entry.resolve({ kind: 'busDown', detail: 'jammed: the line is never quiet' })
      }
      if (options.signal?.aborted) return entry.reject(options.signal.reason)
      // another master has been heard to ask the same meter meanwhile
      if (this.#notBeforeMs(entry) > this.#clock.monotonicMs()) return this.#queue.add(entry)
      assertReadOnly(request, this.#config)
      const result = await transact({
        line,
        clock: this.#clock,
        timing,
        request,
        firstOctetMs,
        echoExpected: this.#echoes > 0,
        batching: this.#heldBack.isBatching,
        counters: this.#counters,
        foreign: this.#listening.foreign,
        waiting: this.#doubts.waiting(this.#clock.monotonicMs())
      })
      this.#listening.freeAtMs = result.lineFreeMs
      entry.resolve(this.#settlement.settle(request, options.meterKey, entry.priority, result))
      this.#learn(result, line)
    } catch (error) {
      if (!isLineFault(error)) throw error
      this.#lose(error.message)
      entry.resolve({ kind: 'busDown', detail: error.message })
    } finally {
      const nowMs = this.#clock.monotonicMs()
      this.#counters.add('busyMs', nowMs - fromMs)
      this.#counters.add(`${entry.priority}Ms`, nowMs - fromMs)
      this.#queue.note(entry.priority, nowMs - fromMs, nowMs)
    }
  }

  #learn(result: TransactionResult, line: Line): void {
    for (const stranger of result.strangers) this.#strays.addStranger(stranger)
    this.#listening.overhear(result.rest)
    if (result.kind === 'garbage') this.#strays.disturbed()
    if (result.echo === 'full') this.#echoes = 3
    else if (result.kind === 'reply') this.#echoes = Math.max(0, this.#echoes - 1)
    if (result.kind === 'reply') this.#heldBack.note(result.firstBatch)
    if (result.kind !== 'silent' || result.strangers.length > 0 || result.echo === 'full') {
      this.#liveness?.noteOctets()
    } else if (line.moved()) {
      this.#lose('the path leads to another device now')
    } else if (this.#liveness?.noteSilence(this.#clock.monotonicMs())) {
      this.#lose('nothing heard for a long time')
    }
  }

  /** While nothing is asked: notices a hang-up at once, and counts what others say. */
  #watchIdle(line: Line): void {
    line.onReadable(() => {
      setTimeout(() => {
        if (this.#pumping || this.#closed || line !== this.#keeper.current) return
        try {
          if (!this.#listening.hear(line)) this.#strays.settle()
          this.#watchIdle(line)
        } catch (error) {
          this.#lose(error instanceof Error ? error.message : String(error))
        }
      }, IDLE_LOOK_MS)
    })
  }

  #lose(reason: string): void {
    this.#line = undefined
    this.#keeper.lose(reason)
  }

  #failAll(detail: string): void {
    for (const entry of this.#queue.takeAll()) entry.resolve({ kind: 'busDown', detail })
  }
}
