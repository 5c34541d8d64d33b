import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openYardstick } from './bus-yardstick.ts'

const SIDE_PROGRAM = new URL('./bus-cpu-side.js', import.meta.url)
const SIDES = ['wattproof', 'serialport', 'modbus-serial'] as const
const BAUDS = [2400, 9600] as const
/** CPU time of a transaction at 2400 baud, in ms, that must hold. */
const BOUND_MS = 5

const run = promisify(execFile)

/**
 * CPU time per Modbus transaction (10 registers, 20 ms turnaround) in steady state, of ours and of peers, each in a process of
 * its own on the same simulated line.
 * @param transactions measured, after a warm-up
 * @returns exit code: 1 when ours is over the bound at 2400 baud
 */
export async function measureCpu(source: string, transactions: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'wattproof-cpu-'))
  const file = join(folder, 'scenarios.json')
  const scenarios = BAUDS.map(baud => ({
    id: `cpu-${baud}`,
    seed: 1,
    window_s: 600,
    buses: [{ baud, meters: 1, mix: { 'modbus-sdm': 1 }, turn_ms: [20, 20] }]
  }))
  writeFileSync(file, JSON.stringify({ format: 1, scenarios }))
  const yardstick = openYardstick(source, file)
  let held = true
  try {
    for (const baud of BAUDS) {
      const config = yardstick.config(`cpu-${baud}`)
      const unit = String(config.meters[0]?.addr)
      for (const side of SIDES) {
        await yardstick.measure(config.id, async lines => {
          const program = fileURLToPath(SIDE_PROGRAM)
          const args = [program, side, join(lines, 'bus0'), String(baud), unit, String(transactions)]
          const { stdout } = await run(process.execPath, args)
          process.stdout.write(stdout)
          const { cpuMsEach } = JSON.parse(stdout)
          if (side === 'wattproof' && baud === 2400) held = cpuMsEach <= BOUND_MS
          return []
        })
      }
    }
  } finally {
    yardstick.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return held ? 0 : 1
}
