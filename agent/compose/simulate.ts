import { runSimulator } from '../../drivers/simulator/run-simulator.ts'
import { onOrphaned } from './children.ts'

/** Serves virtual buses until the signal aborts or the parent process is gone. */
export async function simulate(
  file: string,
  signal: AbortSignal,
  onReady: (ready: object) => void
): Promise<void> {
  const ended = new AbortController()
  onOrphaned(() => ended.abort())
  await runSimulator(file, AbortSignal.any([signal, ended.signal]), onReady)
}
