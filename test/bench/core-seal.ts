import { monitorEventLoopDelay } from 'node:perf_hooks'
import { toHex } from '../../proto/bytes.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import { prepareRecipient } from '../../proto/crypto/sm2-envelope.ts'
import { type SealInput, type SealOutput, sealInPieces } from '../../proto/envelope/seal.ts'
import { cpuMs } from './core-figures.ts'
import { FIRST_SLOT, recipients, sealInput } from './core-parts.ts'
import { sealWithSmCrypto } from './core-peer.ts'

/** One batch: what it took in all, and its longest piece, between two of which the event loop turns. */
export interface SealSample {
  readonly cpuMs: number
  readonly wallMs: number
  readonly longestCpuMs: number
  readonly longestWallMs: number
  readonly loopDelayMs: number
  readonly batchHex: string
  readonly anchorHex: string
}

/** A sealer on the given backend; a round seals the slots it is given. */
export async function openSealer(
  backend: string,
  how: 'pieces' | 'peer'
): Promise<(slots: unknown) => Promise<SealSample[]>> {
  const { used } = runSelfTest()
  if (used.sm3 !== backend || used['sm4-ctr'] !== backend)
    throw new Error(`sealing with ${backend} was wanted, not with ${used.sm3} and ${used['sm4-ctr']}`)
  for (const { publicKey } of recipients()) prepareRecipient(publicKey)
  for (let slot = 0; slot < 8; slot++) await sealOne(FIRST_SLOT + 1_000_000 + slot, how)
  return async slots => {
    const samples: SealSample[] = []
    for (const slot of slots as number[]) samples.push(await sealOne(slot, how))
    return samples
  }
}

async function sealOne(slot: number, how: 'pieces' | 'peer'): Promise<SealSample> {
  let calls = 0
  // the same for every side, so that those that draw alike must give the same octets
  const input = sealInput(slot, size => new Uint8Array(size).fill(++calls))
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  await turn()
  const pieces = how === 'pieces' ? sealInPieces(input) : inOneGo(input)
  let [cpu, wall, longestCpu, longestWall] = [0, 0, 0, 0]
  let output: Pick<SealOutput, 'batch' | 'anchor'> | undefined
  while (!output) {
    const [cpuBefore, wallBefore] = [cpuMs(), performance.now()]
    const piece = pieces.next()
    const [cpuSpent, wallSpent] = [cpuMs() - cpuBefore, performance.now() - wallBefore]
    cpu += cpuSpent
    wall += wallSpent
    longestCpu = Math.max(longestCpu, cpuSpent)
    longestWall = Math.max(longestWall, wallSpent)
    if (piece.done) output = piece.value
    else await turn()
  }
  await turn()
  delay.disable()
  return {
    cpuMs: cpu,
    wallMs: wall,
    longestCpuMs: longestCpu,
    longestWallMs: longestWall,
    loopDelayMs: delay.max / 1e6,
    batchHex: toHex(output.batch),
    anchorHex: toHex(output.anchor)
  }
}

/** The peer has no pieces. */
function inOneGo(input: SealInput): Pick<Generator<undefined, ReturnType<typeof sealWithSmCrypto>>, 'next'> {
  return { next: () => ({ done: true, value: sealWithSmCrypto(input) }) }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
