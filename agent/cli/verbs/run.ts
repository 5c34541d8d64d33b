import { loadConfig } from '../../../config/load.ts'
import { EXIT } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const runVerb: Verb = {
  name: 'run',
  summary: ['the daemon, in the foreground', '前台运行网关服务'],
  async run({ configFile, signal, out }) {
    const config = loadConfig(configFile)
    const { runDaemon } = await import('../../compose/daemon.ts')
    await runDaemon(config, signal, () =>
      out.streamed({ event: 'ready', gateway: config.gateway, pid: process.pid })
    )
    return EXIT.done
  }
}
