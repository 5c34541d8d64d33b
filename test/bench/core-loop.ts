import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { SealLoop } from '../../agent/seal/seal-loop.ts'
import { openAgentStore } from '../../drivers/store/agent-store.ts'
import { runSelfTest } from '../../proto/crypto/self-test.ts'
import { slotEndMs } from '../../proto/slot.ts'
import { villageReadings } from '../fixtures/village.ts'
import { cpuMs } from './core-figures.ts'
import {
  FIRST_SLOT,
  GATEWAY,
  gatewaySigner,
  METERS,
  QUIET,
  randomOctets,
  recipients,
  SLOT_SECONDS,
  steppedClock
} from './core-parts.ts'

/** The longest single turn of the event loop while the agent's own loop seals one slot over the real store. */
export interface LoopSample {
  readonly longestCpuMs: number
  readonly longestWallMs: number
  readonly loopDelayMs: number
  readonly cpuMs: number
}

/** The agent's seal loop as the daemon runs it; a round seals so many slots. */
export function openSealLoop(options: {
  readonly folder: string
}): (slots: unknown) => Promise<LoopSample[]> {
  runSelfTest()
  const clock = steppedClock(FIRST_SLOT * SLOT_SECONDS * 1000)
  const store = openAgentStore(join(options.folder, 'loop.db'), { nowMs: clock.nowMs })
  const roster = villageReadings(METERS, FIRST_SLOT).map(({ meter, ratio }) => ({ meter, ratio }))
  const seal = new SealLoop({
    store,
    clock,
    log: QUIET,
    gateway: GATEWAY,
    slotSeconds: SLOT_SECONDS,
    suite: 1,
    roster: () => roster,
    recipients: recipients(),
    signer: gatewaySigner(),
    deviceSecret: randomOctets(32),
    random: randomOctets,
    onSealed: () => onSealed()
  })
  let onSealed = (): void => undefined
  let slot = FIRST_SLOT
  seal.step()

  const sealOne = async (): Promise<LoopSample> => {
    const readings = villageReadings(METERS, slot, slot)
    for (let bus = 0; bus < 4; bus++)
      store.appendReadings(`bus${bus}`, readings.slice((bus * METERS) / 4, ((bus + 1) * METERS) / 4))
    clock.set(slotEndMs(slot, SLOT_SECONDS) + 1000)
    const stop = new AbortController()
    onSealed = () => stop.abort()
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const turns = countTurns(stop.signal)
    await seal.run(stop.signal)
    await new Promise(resolve => setImmediate(resolve))
    delay.disable()
    slot++
    return { ...turns, loopDelayMs: delay.max / 1e6 }
  }
  return async slots => {
    const samples: LoopSample[] = []
    for (let i = 0; i < Number(slots); i++) samples.push(await sealOne())
    return samples
  }
}

/** Measures every turn of the event loop until the signal aborts. */
function countTurns(signal: AbortSignal): { longestCpuMs: number; longestWallMs: number; cpuMs: number } {
  const seen = { longestCpuMs: 0, longestWallMs: 0, cpuMs: 0 }
  let [cpu, wall] = [cpuMs(), performance.now()]
  const turn = (): void => {
    const [cpuNow, wallNow] = [cpuMs(), performance.now()]
    seen.longestCpuMs = Math.max(seen.longestCpuMs, cpuNow - cpu)
    seen.longestWallMs = Math.max(seen.longestWallMs, wallNow - wall)
    seen.cpuMs += cpuNow - cpu
    cpu = cpuNow
    wall = wallNow
    if (!signal.aborted) setImmediate(turn)
  }
  setImmediate(turn)
  return seen
}
