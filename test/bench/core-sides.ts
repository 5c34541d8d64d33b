import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A side of a comparison, running apart. */
export interface Side {
  /** Does one round and gives what it measured. */
  round<T>(argument: unknown): Promise<T>
  end(): void
}

const WORKER = new URL('./core-worker.js', import.meta.url)

/** Starts a role of core-worker.ts and waits until it is ready. */
export async function openSide(role: string, options: unknown = {}): Promise<Side> {
  const child = fork(fileURLToPath(WORKER), [role, JSON.stringify(options)], { execArgv: ['--expose-gc'] })
  await answer(child)
  return {
    async round<T>(argument: unknown) {
      child.send(argument as number)
      return (await answer(child)) as T
    },
    end: () => void child.kill()
  }
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a side of the bench ended with ${code}`))
    child.once('exit', onExit)
    child.once('message', message => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}
