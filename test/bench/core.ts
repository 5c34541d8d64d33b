/**
 * `npm run bench -- core`: what the agent itself costs: sealing, proofs, store, memory, start. Each figure stands beside its
 * peer, measured in the same run and in turns, so that a busy machine slows both.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureProofs, measureSealing } from './core-crypto.ts'
import { measureMemory, measureStart } from './core-daemon.ts'
import { type Figure, printFigures } from './core-figures.ts'
import { measureSteady, measureStore } from './core-storing.ts'

const USAGE = `usage: bench core [--only NAME,NAME] [--rounds N] [--days N] [--dir DIR] [--json]
  seal     CPU and longest event-loop block of sealing 500 meters x 20 values, against JavaScript alone; batch size
  proof    proof size, CPU of verification, SM2 against sm-crypto
  store    octets written per reading over a day of slots, against a row per value
  steady   memory over days of slots without waiting
  memory   RSS of a real daemon with 500 meters over a backlog of --days (30)
  start    exec to the first octet and the first reading
  --dir    where stores are made: a folder on a disk, not in memory (default: the system's temporary folder)
  CPU times are of the process with all its threads; wall times are given beside them. Exit code 1: a bound does not hold.
`
const PARTS = ['seal', 'proof', 'store', 'steady', 'memory', 'start'] as const
const STEADY_DAYS = 4

/** Measures and prints. @returns the exit code */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: PARTS.join() },
      rounds: { type: 'string', default: '7' },
      days: { type: 'string', default: '30' },
      dir: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  const wanted = values.only.split(',')
  if (values.help || wanted.some(name => !PARTS.some(part => part === name))) {
    process.stderr.write(USAGE)
    return values.help ? 0 : 2
  }
  const folder = mkdtempSync(join(values.dir, 'wattproof-bench-'))
  const [rounds, days] = [Number(values.rounds), Number(values.days)]
  const work: Record<(typeof PARTS)[number], (own: string) => Promise<Figure[]> | Figure[]> = {
    seal: own => measureSealing(rounds, own),
    proof: () => measureProofs(rounds),
    store: own => measureStore(own),
    steady: own => measureSteady(own, STEADY_DAYS),
    memory: own => measureMemory(own, days),
    start: own => measureStart(own, Math.min(rounds, 5))
  }
  const figures: Figure[] = []
  try {
    for (const part of PARTS) {
      if (!wanted.includes(part)) continue
      const own = join(folder, part)
      mkdirSync(own)
      figures.push(...(await work[part](own)))
      rmSync(own, { recursive: true, force: true })
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const machine = describeMachine()
  if (values.json) console.log(JSON.stringify({ machine, figures }, null, 2))
  else printFigures(figures, machine)
  return figures.every(({ bound }) => bound?.holds ?? true) ? 0 : 1
}

function describeMachine(): string {
  const [first] = cpus()
  const load = loadavg()[0]?.toFixed(1)
  return `${cpus().length} x ${first?.model ?? 'unknown'}, ${process.platform} ${process.arch}, Node ${process.version}, load ${load}`
}
