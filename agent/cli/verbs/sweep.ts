import { loadConfig } from '../../../config/load.ts'
import { EXIT } from '../errors.ts'
import { answerToJson } from '../meter-answer.ts'
import type { Verb } from '../verb.ts'

export const sweepVerb: Verb = {
  name: 'sweep',
  summary: [
    'one sweep of every configured meter, now; every value with its raw octets',
    '立即抄读全部电表一轮,含原始字节'
  ],
  async run(context) {
    const config = loadConfig(context.configFile)
    const { sweepConfigured } = await import('../../compose/meter-read.ts')
    const result = await sweepConfigured(config, context.signal)
    const meters = config.meters.map(meter => {
      const answer = result.answers.get(meter.id)
      return {
        meter: meter.id,
        bus: meter.bus,
        ...(answer
          ? answerToJson(meter, answer)
          : { address: meter.address, protocol: meter.protocol, items: [], errors: [] })
      } as {
        meter: string
        bus: string
        address: string
        items: unknown[]
        errors: { kind: string; detail: string }[]
      }
    })
    const complete = meters.filter(meter => meter.errors.length === 0 && meter.items.length > 0).length
    context.out.document({
      gateway: config.gateway,
      elapsedMs: result.elapsedMs,
      complete,
      meters,
      buses: result.buses
    })
    context.out.table(
      [
        ['meter', '计量点'],
        ['bus', '总线'],
        ['address', '地址'],
        ['values', '数值'],
        ['errors', '错误']
      ],
      meters.map(meter => [
        meter.meter,
        meter.bus,
        meter.address,
        String(meter.items.length),
        meter.errors.map(error => `${error.kind}: ${error.detail}`).join('; ')
      ])
    )
    context.out.tell([
      `${complete} of ${meters.length} meters complete in ${(result.elapsedMs / 1000).toFixed(1)} s`,
      `${meters.length} 只电表中 ${complete} 只完整,用时 ${(result.elapsedMs / 1000).toFixed(1)} 秒`
    ])
    return complete === meters.length ? EXIT.done : complete > 0 ? EXIT.doesNotHold : EXIT.unreachable
  }
}
