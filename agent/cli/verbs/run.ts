import { loadConfig } from '../../../config/load.ts'
import { isWattproofError } from '../../../proto/errors.ts'
import { EXIT, RunError } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const runVerb: Verb = {
  name: 'run',
  summary: ['the daemon, in the foreground', '前台运行网关服务'],
  async run({ configFile, signal, out }) {
    const config = loadConfig(configFile)
    const { runDaemon } = await import('../../compose/daemon.ts')
    let isReady = false
    try {
      await runDaemon(config, signal, () => {
        isReady = true
        out.streamed({ event: 'ready', gateway: config.gateway, pid: process.pid })
      })
    } catch (error) {
      // whatever it is, the configuration was good enough to start: it must not look like a wrong one
      if (isReady && isWattproofError(error)) throw runError(error)
      throw error
    }
    return EXIT.done
  }
}

function runError(
  cause: Error & { code: string; at?: string | undefined; next?: string | undefined }
): RunError {
  const { at, next } = cause
  return new RunError('RUN_FAILED', `${cause.message} (${cause.code})`, {
    ...(at === undefined ? {} : { at }),
    ...(next === undefined ? {} : { next }),
    cause
  })
}
