import type { BusStatus, Priority } from '../../agent/ports.ts'
import type { ReadRequest } from '../../proto/bus-reply.ts'

/** What became of one request. Silence, garbage and a refusal to ask are three different things; none is thrown. */
export type BusOutcome =
  | {
      readonly kind: 'reply'
      /** the frame alone: no preamble noise, no echo */
      readonly frame: Uint8Array
      /** from the last octet of the request to the first octet of the answer, as seen here */
      readonly turnaroundMs: number
      /** wall clock when the last octet had come */
      readonly endAtMs: number
      /** octets thrown away before the frame: noise, echo, other frames */
      readonly discarded: number
      /**
       * True until a meter has answered once after a time-out. A Modbus answer names only unit and function: read a
       * range of another length before its values (and its exceptions) are believed.
       */
      readonly afterTimeout: boolean
    }
  | { readonly kind: 'silent' }
  | { readonly kind: 'garbage'; readonly octets: Uint8Array; readonly reason: string }
  /** the breaker holds the meter open; nothing was sent */
  | { readonly kind: 'skipped'; readonly nextTryAtMs: number }
  /** the line, not the meter */
  | { readonly kind: 'busDown'; readonly detail: string }

/** Line settings of one meter that differ from the bus's. */
export interface LineSetting {
  readonly baud: number
  readonly parity: 'even' | 'none' | 'odd'
}

export interface ExchangeOptions {
  /** `protocol:address`, the key of breaker, learned times and doubts; equal addresses of two protocols are two meters */
  readonly meterKey: string
  readonly priority: Priority
  /** Takes a request that still waits out of the queue; one on the line is finished all the same */
  readonly signal?: AbortSignal
  readonly line?: LineSetting
  /** A person asked: try even when the breaker is open. Technicians do by default. */
  readonly force?: boolean
  /**
   * The asker tells a late answer to this from every other (DL/T 645 answers say what they are; Modbus ones by their length, when
   * it asks for no other range of that length meanwhile): a meter known to be quick is given up on early.
   */
  readonly tellsLate?: boolean
  /** Waits for the first octet this long at the most, whatever was learned: for a search, where nearly everybody is silent */
  readonly patienceMs?: number
}

/** One RS-485 line, or its stand-in over TCP: one transaction at a time. */
export interface Bus {
  readonly name: string
  readonly baud: number
  /**
   * Sends one request and waits for what becomes of it.
   * @throws BusError BUS_NOT_A_REQUEST, CodecError CODEC_FORBIDDEN_CONTROL (nothing was sent), or the signal's reason
   */
  exchange(request: ReadRequest, options: ExchangeOptions): Promise<BusOutcome>
  /**
   * True while a single answer proves little: nothing checks parity on this line, and answers have been spoilt of late. One octet
   * sum lets 1 wrong DL/T 645 frame in 256 pass; a CRC does not.
   */
  readonly isDoubtful?: boolean
  /** True when the next request to the meter is a half-open probe: send the shortest one there is. */
  probing(meterKey: string): boolean
  status(): BusStatus
  close(): Promise<void>
}
