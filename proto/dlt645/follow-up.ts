import { concatBytes } from '../bytes.ts'
import type { Reply } from './reply.ts'

/** Most octets an assembled answer may have: the longest item of the tables is 1,026; a runaway meter is stopped. */
export const ASSEMBLY_MAX_OCTETS = 4096

/** An answer that comes in several frames. Values and blocks may be cut anywhere; only the whole is read. */
export interface Assembly {
  readonly data: Uint8Array
  /** number to ask for next; 0 when the answer is complete */
  readonly nextSeq: number
}

/** Starts with the answer to the read itself (which carries no sequence number). */
export function beginAssembly(reply: Extract<Reply, { kind: 'data' }>): Assembly {
  return { data: reply.data, nextSeq: reply.followUp ? 1 : 0 }
}

/**
 * Appends the part that was asked for. Undefined when there must not be one more:
 * more octets than any item has, or more frames than one octet counts. The whole read is then to be dropped.
 */
export function continueAssembly(
  assembly: Assembly,
  reply: Extract<Reply, { kind: 'data' }>
): Assembly | undefined {
  const data = concatBytes(assembly.data, reply.data)
  if (assembly.nextSeq === 0 || data.length > ASSEMBLY_MAX_OCTETS) return undefined
  if (!reply.followUp) return { data, nextSeq: 0 }
  return assembly.nextSeq === 255 ? undefined : { data, nextSeq: assembly.nextSeq + 1 }
}
