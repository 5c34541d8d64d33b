import smCrypto from 'sm-crypto'
import { fromHex, toHex, utf8 } from '../../proto/bytes.ts'
import { sm2PublicKey } from '../../proto/crypto/sm2-curve.ts'
import { sm2Sign, sm2Verify } from '../../proto/crypto/sm2-signature.ts'
import { openBatch } from '../../proto/envelope/open.ts'
import { buildProof } from '../../proto/envelope/prove.ts'
import { sealBatch } from '../../proto/envelope/seal.ts'
import { verifyProof } from '../../proto/verify.ts'
import { cpuMs, type Figure, figure, median, short } from './core-figures.ts'
import type { LoopSample } from './core-loop.ts'
import { FIRST_SLOT, gatewaySigner, METERS, recipientKeys, sealInput } from './core-parts.ts'
import type { SealSample } from './core-seal.ts'
import { openSide } from './core-sides.ts'

const BATCHES_A_ROUND = 8

interface SealSamples {
  readonly ours: SealSample[]
  /** what the product itself does where OpenSSL lacks the algorithms */
  readonly portable: SealSample[]
  readonly peer: SealSample[]
  readonly loop: LoopSample[]
}

/** Sealing as the gateway does it and on sm-crypto alone, turn by turn, and the agent's loop around it. */
export async function measureSealing(rounds: number, folder: string): Promise<Figure[]> {
  const [ours, portable, peer, loop] = await Promise.all([
    openSide('seal'),
    openSide('seal-portable'),
    openSide('seal-sm-crypto'),
    openSide('loop', { folder })
  ])
  try {
    await loop.round(BATCHES_A_ROUND)
    const samples: SealSamples = { ours: [], portable: [], peer: [], loop: [] }
    const ratios: number[] = []
    for (let round = 0; round < rounds; round++) {
      const first = FIRST_SLOT + round * BATCHES_A_ROUND
      const slots = Array.from({ length: BATCHES_A_ROUND }, (_, i) => first + i)
      const [mine, fallback, theirs] = [
        await ours.round<SealSample[]>(slots),
        await portable.round<SealSample[]>(slots),
        await peer.round<SealSample[]>(slots)
      ]
      requireValid(mine, fallback, theirs)
      samples.ours.push(...mine)
      samples.portable.push(...fallback)
      samples.peer.push(...theirs)
      samples.loop.push(...(await loop.round<LoopSample[]>(BATCHES_A_ROUND)))
      ratios.push(median(theirs.map(s => s.cpuMs)) / median(mine.map(s => s.cpuMs)))
    }
    return sealFigures(samples, ratios)
  } finally {
    for (const side of [ours, portable, peer, loop]) side.end()
  }
}

/** Ours and the fallback give the same octets; ours and the peer's both open whole. */
function requireValid(
  mine: readonly SealSample[],
  fallback: readonly SealSample[],
  theirs: readonly SealSample[]
): void {
  if (mine.some(({ batchHex }, i) => batchHex !== fallback[i]?.batchHex))
    throw new Error('the fallback gave other batches')
  const keys = { recipientKey: recipientKeys[0], gatewayKey: gatewaySigner().publicKey }
  for (const { batchHex, anchorHex } of [...mine.slice(0, 1), ...theirs]) {
    const { readings } = openBatch(fromHex(batchHex), fromHex(anchorHex), keys)
    if (readings.length !== METERS) throw new Error('a batch does not open whole')
  }
}

function sealFigures({ ours, portable, peer, loop }: SealSamples, ratios: readonly number[]): Figure[] {
  const of = <T>(samples: readonly T[], pick: (sample: T) => number): string =>
    short(median(samples.map(pick)))
  const most = <T>(samples: readonly T[], pick: (sample: T) => number): string =>
    short(Math.max(...samples.map(pick)))
  const octets = median(ours.map(({ batchHex }) => batchHex.length / 2))
  const theirs = { what: 'sm-crypto alone', value: median(peer.map(s => s.cpuMs)) }
  const block = (samples: readonly LoopSample[]): string =>
    `most ${most(samples, s => s.longestCpuMs)}; wall ${of(samples, s => s.longestWallMs)}, most ` +
    `${most(samples, s => s.longestWallMs)}; event loop delay ${of(samples, s => s.loopDelayMs)}`
  return [
    figure('seal', 'sealing a batch of 500 x 20, CPU', median(ours.map(s => s.cpuMs)), 'ms', {
      peer: theirs,
      atLeast: 4,
      detail:
        `wall ${of(ours, s => s.wallMs)} against ${of(peer, s => s.wallMs)}; ratio by round ${ratios.map(short).join(' ')}; ` +
        `our own fallback without OpenSSL ${of(portable, s => s.cpuMs)}`
    }),
    figure(
      'seal-block',
      'longest block of the event loop in it, CPU',
      median(ours.map(s => s.longestCpuMs)),
      'ms',
      {
        peer: { ...theirs, what: 'sm-crypto alone, in one go' },
        atMost: 25,
        detail: block(ours)
      }
    ),
    figure(
      'seal-loop',
      'longest block of the seal loop over the store, CPU',
      median(loop.map(s => s.longestCpuMs)),
      'ms',
      {
        atMost: 25,
        detail: `${block(loop)}; whole slot ${of(loop, s => s.cpuMs)} of CPU`
      }
    ),
    figure('batch', 'size of a batch', octets, 'octets', { atMost: 20_000, detail: 'for two recipients' }),
    figure('batch-reading', 'size of a batch, per reading', octets / METERS, 'octets', { atMost: 40 })
  ]
}

/** Proofs: size, and the CPU of a verification with and without the signature. */
export function measureProofs(rounds: number): Figure[] {
  const input = sealInput(FIRST_SLOT)
  const batch = sealBatch(input)
  const leafIndex = 251
  const proof = buildProof({
    anchor: batch.anchor,
    saltKey: batch.saltKey,
    readings: input.readings,
    leafIndex
  })
  const { publicKey } = input.signer
  const body = batch.anchor
  const userId = utf8(input.gateway)
  const signature = sm2Sign(new Uint8Array(32).fill(7), userId, body)
  const key = smKeys()
  const theirs = smCrypto.sm2.doSignature(body, key.privateHex, {
    hash: true,
    publicKey: key.publicHex,
    userId: input.gateway
  })
  const work: Record<'rest' | 'whole' | 'native' | 'peer', { times: number; once: () => boolean }> = {
    rest: { times: 300, once: () => holds(verifyProof(proof, {}), 'inclusion') },
    whole: {
      times: 100,
      once: () => holds(verifyProof(proof, { gatewayKey: publicKey }), 'anchor-signature')
    },
    native: { times: 100, once: () => sm2Verify(key.publicKey, userId, body, signature) },
    peer: {
      times: 5,
      once: () =>
        smCrypto.sm2.doVerifySignature(body, theirs, key.publicHex, {
          der: false,
          hash: true,
          userId: input.gateway
        })
    }
  }
  const spent: Record<keyof typeof work, number[]> = { rest: [], whole: [], native: [], peer: [] }
  for (let round = -1; round < rounds; round++) {
    for (const name of Object.keys(work) as (keyof typeof work)[]) {
      const { times, once } = work[name]
      const start = cpuMs()
      for (let i = 0; i < times; i++) if (!once()) throw new Error(`the check '${name}' does not hold`)
      // the round before the first is there to warm up
      if (round >= 0) spent[name].push((cpuMs() - start) / times)
    }
  }
  return [
    figure('proof', 'size of a proof without receipt', proof.length, 'octets', { detail: 'leaf 251 of 500' }),
    figure('verify', 'verifying a proof besides the signature, CPU', median(spent.rest), 'ms', { atMost: 1 }),
    figure('verify-sig', 'SM2 signature alone, CPU', median(spent.native), 'ms', {
      peer: { what: 'sm-crypto', value: median(spent.peer) },
      detail: `proof and signature together ${short(median(spent.whole))}`
    })
  ]
}

const holds = (findings: ReturnType<typeof verifyProof>, check: string): boolean =>
  findings.every(({ verdict }) => verdict !== 'fails') &&
  findings.some(finding => finding.check === check && finding.verdict === 'holds')

function smKeys() {
  const privateKey = new Uint8Array(32).fill(7)
  const publicKey = sm2PublicKey(privateKey)
  return { publicKey, privateHex: toHex(privateKey), publicHex: toHex(publicKey) }
}
