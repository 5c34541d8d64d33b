import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'

/** A late answer has been seen about one second late; a serial server that buffers may take far longer. */
const LOST_MS = 30_000
/** An answer that comes twice comes again soon. Keeping lengths apart costs next to nothing but on slow lines. */
const SERVED_MS = 2_000
const SERVED_SLOW_MS = 600
const SLOW_BAUD = 4_800
/** On a line that has shown stray frames it may take its time. */
const SERVED_SUSPECT_MS = 5_000
const SUSPECT_MS = 600_000

interface Claim {
  readonly span: RegisterSpan
  readonly kind: 'lost' | 'refused' | 'served'
  readonly untilMs: number
}

/**
 * Which answers of one unit could still turn up. An RTU answer names only unit and function: as long as one of a certain
 * length may be on its way, no other range of that length is asked for, so that it can never pass for it.
 */
export class UnitTrust {
  #claims: Claim[] = []
  #suspectUntilMs = Number.NEGATIVE_INFINITY
  readonly #servedMs: number
  /** From a request that stayed without its answer until a range of another length is answered. */
  shaken = false

  /** @param baud of the line, in bits a second */
  constructor(baud: number) {
    this.#servedMs = baud < SLOW_BAUD ? SERVED_SLOW_MS : SERVED_MS
  }

  /** A request stayed without its answer. */
  noteLost(span: RegisterSpan, nowMs: number): void {
    this.shaken = true
    this.#claims.push({ span, kind: 'lost', untilMs: nowMs + LOST_MS })
  }

  /** A request was answered; `strays` when other octets came with the answer. */
  noteServed(span: RegisterSpan, nowMs: number, strays: boolean): void {
    const isLost = this.#live(nowMs).some(claim => claim.kind === 'lost' && sameLength(claim.span, span))
    if (!isLost) this.shaken = false
    if (strays) this.#suspectUntilMs = nowMs + SUSPECT_MS
    const untilMs = nowMs + (nowMs < this.#suspectUntilMs ? SERVED_SUSPECT_MS : this.#servedMs)
    this.#claims.push({ span, kind: 'served', untilMs })
  }

  /**
   * A request was answered with an exception. That has five octets whatever was asked: if it belonged to another request,
   * the answer to this one is still on its way.
   */
  noteRefused(span: RegisterSpan, nowMs: number): void {
    if (this.isOwed(nowMs)) this.#claims.push({ span, kind: 'refused', untilMs: nowMs + LOST_MS })
    else this.#claims.push({ span, kind: 'served', untilMs: nowMs + this.#servedMs })
  }

  /** True when no answer of that length to another range, and none that was lost, can still come. */
  isFree(span: RegisterSpan, nowMs: number): boolean {
    return this.#live(nowMs).every(
      claim => !sameLength(claim.span, span) || (claim.kind !== 'lost' && claim.span.address === span.address)
    )
  }

  /** True when whatever could still come with that length is an answer to this very range. */
  isSameRange(span: RegisterSpan, nowMs: number): boolean {
    return this.#live(nowMs).every(
      claim => !sameLength(claim.span, span) || claim.span.address === span.address
    )
  }

  /** Milliseconds until the span is free, when nothing but doubles of answers already had is in its way; else undefined. */
  freeInMs(span: RegisterSpan, nowMs: number): number | undefined {
    const claims = this.#live(nowMs).filter(claim => sameLength(claim.span, span))
    if (claims.some(claim => claim.kind !== 'served')) return undefined
    return Math.max(0, ...claims.map(claim => claim.untilMs - nowMs))
  }

  /** True while an answer is owed: an exception may belong to another request. */
  isOwed(nowMs: number): boolean {
    return this.#live(nowMs).some(claim => claim.kind === 'lost')
  }

  #live(nowMs: number): readonly Claim[] {
    this.#claims = this.#claims.filter(claim => claim.untilMs > nowMs)
    return this.#claims
  }
}

function sameLength(a: RegisterSpan, b: RegisterSpan): boolean {
  return a.function === b.function && a.count === b.count
}
