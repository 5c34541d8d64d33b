import { EXIT } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const simulateVerb: Verb = {
  name: 'simulate',
  summary: ['virtual buses; prints the port paths as JSON when ready', '虚拟总线;就绪后以 JSON 输出端口路径'],
  examples: ['wattproof simulate --config config/simulator/demo.yaml'],
  async run({ configFile, signal, out }) {
    const { simulate } = await import('../../compose/simulate.ts')
    // one JSON line whatever the mode: programs read it to learn the ports
    await simulate(configFile, signal, ready => out.raw(JSON.stringify(ready)))
    return EXIT.done
  }
}
