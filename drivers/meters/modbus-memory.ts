import type { LearnedStore } from '../../agent/ports.ts'
import type { ReadFunction } from '../../proto/modbus/function-code.ts'
import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'

/** A refused register is asked for again after this long: firmware changes, and so do options. */
const ABSENT_MS = 7 * 86_400_000
/** Assumed until a meter has answered: meters need 10 to 100 ms. */
const FIRST_TURNAROUND_MS = 40
/** Weight of the newest turnaround in the running mean. */
const NEWEST = 0.2

export interface Cut {
  readonly function: ReadFunction
  readonly address: number
}

interface Lesson {
  readonly cuts: [ReadFunction, number][]
  readonly absent: [ReadFunction, number, number, number][]
  rigid: boolean
}

/** What is known of one unit: what it refuses (kept across restarts), and how fast it answers. */
export class UnitMemory {
  readonly #store: LearnedStore
  readonly #key: string
  readonly #lesson: Lesson
  #turnaroundMs: number | undefined

  /** @param key names the unit and its profile: another profile asks other ranges */
  constructor(store: LearnedStore, key: string) {
    this.#store = store
    this.#key = key
    this.#lesson = parseLesson(store.get(key))
  }

  /** True when no answer of this unit has been timed yet. */
  get isNew(): boolean {
    return this.#turnaroundMs === undefined
  }

  get turnaroundMs(): number {
    return this.#turnaroundMs ?? FIRST_TURNAROUND_MS
  }

  noteTurnaround(ms: number): void {
    this.#turnaroundMs =
      this.#turnaroundMs === undefined ? ms : this.#turnaroundMs * (1 - NEWEST) + ms * NEWEST
  }

  /** Addresses no request may reach across. */
  get cuts(): Cut[] {
    return this.#lesson.cuts.map(([table, address]) => ({ function: table, address }))
  }

  /** Both sides of the address are answered, a block over it is refused. */
  learnCut(cut: Cut): void {
    if (this.#lesson.cuts.some(([table, address]) => table === cut.function && address === cut.address))
      return
    this.#lesson.cuts.push([cut.function, cut.address])
    this.#save()
  }

  /** True when a range lengthened beyond what is wanted was refused: only planned ranges are asked for. */
  get isRigid(): boolean {
    return this.#lesson.rigid
  }

  learnRigid(): void {
    if (this.#lesson.rigid) return
    this.#lesson.rigid = true
    this.#save()
  }

  /** True when the span alone was refused not long ago. */
  isAbsent(span: RegisterSpan, nowMs: number): boolean {
    return this.#lesson.absent.some(
      ([table, address, count, atMs]) => isSpan(span, table, address, count) && nowMs - atMs < ABSENT_MS
    )
  }

  learnAbsent(span: RegisterSpan, nowMs: number): void {
    this.forgetAbsent(span)
    this.#lesson.absent.push([span.function, span.address, span.count, nowMs])
    this.#save()
  }

  /** The span was answered after all. */
  forgetAbsent(span: RegisterSpan): void {
    const { absent } = this.#lesson
    const at = absent.findIndex(([table, address, count]) => isSpan(span, table, address, count))
    if (at < 0) return
    absent.splice(at, 1)
    this.#save()
  }

  #save(): void {
    this.#store.set(this.#key, JSON.stringify(this.#lesson))
  }
}

function isSpan(span: RegisterSpan, table: number, address: number, count: number): boolean {
  return span.function === table && span.address === address && span.count === count
}

/** The store may be old or damaged: what cannot be read is learned anew. */
function parseLesson(text: string | undefined): Lesson {
  const empty: Lesson = { cuts: [], absent: [], rigid: false }
  if (text === undefined) return empty
  try {
    const { cuts, absent, rigid } = JSON.parse(text) as Partial<Lesson>
    return Array.isArray(cuts) && Array.isArray(absent) ? { cuts, absent, rigid: rigid === true } : empty
  } catch {
    return empty
  }
}
