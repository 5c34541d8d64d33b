import { dirname } from 'node:path'
import { loadSimulatorSetting } from './load-setting.ts'
import { startSimulator } from './simulator.ts'

/** What is printed once the lines can be opened. */
export interface SimulatorReady {
  readonly lines: readonly { readonly bus: string; readonly path: string }[]
}

/**
 * Runs a simulation file until the signal aborts.
 * @param onReady gets the port paths when all lines can be opened
 * @throws SimulatorError
 */
export async function runSimulator(
  file: string,
  signal: AbortSignal,
  onReady: (ready: SimulatorReady) => void
): Promise<void> {
  const setting = loadSimulatorSetting(file)
  const simulator = startSimulator(setting, { files: dirname(file) })
  try {
    onReady({ lines: simulator.lines })
    if (!signal.aborted)
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  } finally {
    await simulator.stop()
  }
}
