import { loadConfig } from '../../../config/load.ts'
import { EXIT, UsageError } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const busAcceptVerb: Verb = {
  name: 'bus accept',
  summary: ['says that the meters on a refused line are its own', '确认被拒总线上的电表确属本总线'],
  args: [{ form: '<bus>', about: ['name of the bus in the configuration', '配置中的总线名'] }],
  examples: ['wattproof status', 'wattproof bus accept rs485-1'],
  async run({ out, configFile }, _options, [bus = '']) {
    const { askIfRunning } = await import('../../compose/control.ts')
    const config = loadConfig(configFile)
    if (!config.buses.some(({ name }) => name === bus)) {
      throw new UsageError('USAGE_ARGUMENT', `no bus is called ${JSON.stringify(bus)}`, {
        at: '<bus>',
        next: `one of: ${config.buses.map(({ name }) => name).join(', ')}`
      })
    }
    const answer = (await askIfRunning(config, 'admin', 'bus-accept', { bus })) as
      | { readonly bus: string; readonly refusal: string | null }
      | undefined
    if (!answer) {
      throw new UsageError('USAGE_NEEDS_DAEMON', 'no daemon runs for this gateway', {
        next: 'start it: systemctl start wattproof'
      })
    }
    out.document(answer)
    if (answer.refusal === null) out.tell([`${bus} was not refused`, `${bus} 未被拒`])
    else
      out.tell([
        `${bus} is read again; it was refused: ${answer.refusal}`,
        `${bus} 恢复抄读;此前被拒:${answer.refusal}`
      ])
    return EXIT.done
  }
}
