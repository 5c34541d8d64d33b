import type { RegisterSpan } from '../../proto/modbus/read-plan.ts'

/** A late answer has been seen about one second late; a serial server that buffers may take far longer. */
const LOST_MS = 30_000
/** An answer that comes twice comes again soon. Keeping lengths apart costs next to nothing but on slow lines. */
const SERVED_MS = 2_000
const SERVED_SLOW_MS = 600
/** The least to wait for a double where lengths cannot be kept apart. */
const DOUBLED_MS = 300
const SLOW_BAUD = 4_800
/** On a line that has shown stray frames it may take its time. Fewer octets are noise, eight are our own echo. */
const SERVED_SUSPECT_MS = 3_000
const SUSPECT_MS = 600_000
const STRAY_FRAME_OCTETS = 5
const ECHO_OCTETS = 8

interface Claim {
  readonly span: RegisterSpan
  readonly kind: 'lost' | 'refused' | 'served'
  readonly atMs: number
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
    this.#claims.push({ span, kind: 'lost', atMs: nowMs, untilMs: nowMs + LOST_MS })
  }

  /** A request was answered. @param discarded octets that came before the answer */
  noteServed(span: RegisterSpan, nowMs: number, discarded: number): void {
    const isLost = this.#live(nowMs).some(claim => claim.kind === 'lost' && sameLength(claim.span, span))
    if (!isLost) this.shaken = false
    if (discarded >= STRAY_FRAME_OCTETS && discarded !== ECHO_OCTETS)
      this.#suspectUntilMs = nowMs + SUSPECT_MS
    const untilMs = nowMs + (this.isSuspect(nowMs) ? SERVED_SUSPECT_MS : this.#servedMs)
    this.#claims.push({ span, kind: 'served', atMs: nowMs, untilMs })
  }

  /**
   * A request was answered with an exception. That has five octets whatever was asked: if it belonged to another request,
   * the answer to this one is still on its way.
   */
  noteRefused(span: RegisterSpan, nowMs: number): void {
    if (this.isOwed(nowMs))
      this.#claims.push({ span, kind: 'refused', atMs: nowMs, untilMs: nowMs + LOST_MS })
    else this.#claims.push({ span, kind: 'served', atMs: nowMs, untilMs: nowMs + this.#servedMs })
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

  /** True on a line that has shown stray frames of late. */
  isSuspect(nowMs: number): boolean {
    return nowMs < this.#suspectUntilMs
  }

  /**
   * Milliseconds until the span may be asked for though it cannot be told apart by its length: only doubles of answers already
   * had are in its way, and none has come yet. Undefined when an answer is owed.
   */
  freeInMs(span: RegisterSpan, nowMs: number): number | undefined {
    const claims = this.#live(nowMs).filter(claim => sameLength(claim.span, span))
    if (claims.some(claim => claim.kind !== 'served')) return undefined
    const untilMs = (claim: Claim) => (this.isSuspect(nowMs) ? claim.untilMs : claim.atMs + DOUBLED_MS)
    return Math.max(0, ...claims.map(claim => untilMs(claim) - nowMs))
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
