import type { Pty } from './pty.ts'

/** Times of a serial line. */
export interface LineTiming {
  readonly baud: number
  /** bits of a character with start, parity and stop */
  readonly bits: number
  /** octets come out in lumps of about so many ms, as from a USB adapter; the last octet of a reply is always on time */
  readonly lumpMs: number
}

/** Octets on the line from `fromMs` to `untilMs` of the monotonic clock, of the master or of a meter. */
export type Heard = (octets: Uint8Array, fromMs: number, untilMs: number, isMaster: boolean) => void

interface Talk {
  octets: Uint8Array
  fromMs: number
  sent: number
  readonly isEcho: boolean
}

/** An octet that ends this much after a wake-up goes with it: timers have a grain of a millisecond. */
const GRAIN_MS = 0.4

/**
 * The pair of wires: both directions take their time, who talks at once with another spoils both.
 * The port's user is on the other side of the pty.
 */
export class PacedLine {
  readonly charMs: number
  readonly #pty: Pty
  readonly #timing: LineTiming
  readonly #echo: () => boolean
  readonly #heard: Heard
  #masterUntilMs = 0
  #talks: Talk[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(pty: Pty, timing: LineTiming, echo: () => boolean, heard: Heard) {
    this.#pty = pty
    this.#timing = timing
    this.charMs = (timing.bits * 1000) / timing.baud
    this.#echo = echo
    this.#heard = heard
  }

  /** Octets the port's user wrote now: they are on the line from now, or from the end of what was written before. */
  takeFromMaster(written: Uint8Array, nowMs: number): void {
    const octets = Uint8Array.from(written)
    const fromMs = Math.max(nowMs, this.#masterUntilMs)
    const untilMs = fromMs + octets.length * this.charMs
    this.#masterUntilMs = untilMs
    if (this.#echo()) this.#add({ octets: Uint8Array.from(octets), fromMs, sent: 0, isEcho: true })
    for (const talk of this.#talks) if (!talk.isEcho) collide(talk, octets, fromMs, this.charMs)
    this.#heard(octets, fromMs, untilMs, true)
  }

  /** Puts a meter's octets on the line at an instant of the monotonic clock. */
  send(octets: readonly number[], atMs: number): void {
    const talk: Talk = { octets: Uint8Array.from(octets), fromMs: atMs, sent: 0, isEcho: false }
    for (const other of this.#talks) if (!other.isEcho) merge(other, talk, this.charMs)
    if (talk.octets.length > 0) this.#add(talk)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#talks = []
  }

  #add(talk: Talk): void {
    this.#talks.push(talk)
    this.#talks.sort((a, b) => a.fromMs - b.fromMs)
    this.#plan(performance.now())
  }

  #plan(nowMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    let next = Number.POSITIVE_INFINITY
    for (const talk of this.#talks) {
      const endMs = talk.fromMs + talk.octets.length * this.charMs
      const soonest = talk.fromMs + (talk.sent + 1) * this.charMs
      next = Math.min(next, endMs, Math.max(soonest, nowMs + this.#timing.lumpMs))
    }
    if (Number.isFinite(next))
      this.#timer = setTimeout(() => this.#pump(), Math.max(0, Math.ceil(next - nowMs - GRAIN_MS)))
  }

  #pump(): void {
    const nowMs = performance.now()
    const done: Talk[] = []
    for (const talk of this.#talks) {
      const due = Math.floor((nowMs + GRAIN_MS - talk.fromMs) / this.charMs)
      const until = Math.min(talk.octets.length, due)
      if (until > talk.sent) {
        this.#pty.write(talk.octets.subarray(talk.sent, until))
        talk.sent = until
      }
      if (talk.sent === talk.octets.length) done.push(talk)
    }
    this.#talks = this.#talks.filter(talk => !done.includes(talk))
    for (const talk of done)
      if (!talk.isEcho)
        this.#heard(talk.octets, talk.fromMs, talk.fromMs + talk.octets.length * this.charMs, false)
    this.#plan(nowMs)
  }
}

/** Two meters at once: where they overlap there is one spoiled octet on the wires, and it stays with the earlier one. */
function merge(one: Talk, other: Talk, charMs: number): void {
  const [first, second] = one.fromMs <= other.fromMs ? [one, other] : [other, one]
  const overlap = first.octets.length - Math.round((second.fromMs - first.fromMs) / charMs)
  if (overlap <= 0) return
  collide(first, second.octets, second.fromMs, charMs)
  second.octets = second.octets.slice(overlap)
  second.fromMs += overlap * charMs
}

/** Two drivers at once: where the two overlap, both lose ones against zeros. */
function collide(talk: Talk, octets: Uint8Array, fromMs: number, charMs: number): void {
  const shift = Math.round((fromMs - talk.fromMs) / charMs)
  for (let n = 0; n < octets.length; n++) {
    const at = n + shift
    if (at < talk.sent || at < 0 || at >= talk.octets.length) continue
    const both = (talk.octets[at] as number) & (octets[n] as number)
    talk.octets[at] = both
    octets[n] = both
  }
}
