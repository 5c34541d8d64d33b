import { loadConfig } from '../../../config/load.ts'
import type { TuneAnswer, TuneRequest } from '../../compose/tune.ts'
import type { Protocol } from '../../ports.ts'
import { EXIT, UsageError } from '../errors.ts'
import { LINE_OPTIONS, lineSettings, meterAddress, normalPort } from '../line-options.ts'
import type { Output } from '../output.ts'
import { type Context, type Options, textOption, type Verb } from '../verb.ts'

const DEFAULT_COUNT = 20

export const busTuneVerb: Verb = {
  name: 'bus tune',
  summary: [
    'measures how the meters of a line answer, and proposes gaps and timeouts',
    '实测电表应答时间,给出帧间隔与超时建议'
  ],
  options: [
    ...LINE_OPTIONS,
    {
      flags: '--protocol <protocol>',
      about: ['protocol', '规约'],
      choices: ['dlt645', 'dlt645-1997', 'modbus'],
      fallback: 'dlt645'
    },
    {
      flags: '--address <address>',
      about: [
        '12 digits, or 1 to 247; the meters configured on the port when left out',
        '表地址;缺省为该端口上已配置的电表'
      ]
    },
    { flags: '--profile <profile>', about: ['Modbus profile, by name or file', 'Modbus 型号文件'] },
    {
      flags: '--count <n>',
      about: ['exchanges a meter', '每只电表的问答次数'],
      fallback: String(DEFAULT_COUNT)
    }
  ],
  examples: [
    'wattproof bus tune --port /dev/ttyS1 --config /etc/wattproof/gateway.yaml',
    'wattproof bus tune --port /dev/ttyUSB0 --protocol modbus --address 1 --json'
  ],
  async run(context, options) {
    const { out } = context
    const { tunePort, configuredLine } = await import('../../compose/tune.ts')
    const count = countOption(options)
    const target = targetOf(context, options, configuredLine)
    const answer = await tunePort({ ...target, count, signal: context.signal, onMeter: () => undefined })
    out.document(answer)
    show(out, answer)
    if (!answer.proposal) return EXIT.unreachable
    return answer.meters.every(meter => meter.answered > 0) ? EXIT.done : EXIT.doesNotHold
  }
}

function targetOf(
  context: Context,
  options: Options,
  configured: typeof import('../../compose/tune.ts').configuredLine
): Pick<TuneRequest, 'line' | 'meters'> {
  const address = textOption(options, 'address')
  if (address !== undefined) {
    const protocol = textOption(options, 'protocol') as Protocol
    return {
      line: lineSettings(options, protocol),
      meters: [
        { protocol, address: meterAddress(address, protocol), profile: textOption(options, 'profile') }
      ]
    }
  }
  const port = textOption(options, 'port')
  if (port === undefined) lineSettings(options, 'dlt645')
  const found = configured(loadConfig(context.configFile), normalPort(port as string))
  if (found && found.meters.length > 0) return found
  throw new UsageError('USAGE_FLAG', 'the configuration has no meters on this port', {
    at: '--port',
    next: 'name a port as the configuration has it, or one meter with --protocol and --address'
  })
}

function countOption(options: Options): number {
  const count = Number(textOption(options, 'count') ?? DEFAULT_COUNT)
  if (Number.isInteger(count) && count >= 1 && count <= 1000) return count
  throw new UsageError('USAGE_FLAG', `not a count: ${textOption(options, 'count')}`, {
    at: '--count',
    next: 'a number from 1 to 1000'
  })
}

function show(out: Output, { meters, gap, proposal }: TuneAnswer): void {
  out.table(
    [
      ['meter', '电表'],
      ['answers', '应答'],
      ['turnaround p50/p99 ms', '应答延时 p50/p99 毫秒'],
      ['octet gap p50/p99 ms', '字节间隔 p50/p99 毫秒'],
      ['timeout ms', '超时 毫秒']
    ],
    meters.map(meter => [
      `${meter.protocol}:${meter.address}`,
      `${meter.answered}/${meter.asked}`,
      meter.turnaroundMs ? `${meter.turnaroundMs.p50}/${meter.turnaroundMs.p99}` : '-',
      meter.octetGapMs ? `${meter.octetGapMs.p50}/${meter.octetGapMs.p99}` : '-',
      meter.timeoutMs === null ? '-' : String(meter.timeoutMs)
    ])
  )
  if (!proposal) {
    out.tell([
      'nothing answered: wattproof bus probe finds the line settings',
      '没有应答:可用 wattproof bus probe 探测线路参数'
    ])
    return
  }
  const least = gap.leastMs === null ? '-' : String(gap.leastMs)
  out.tell([
    `shortest gap with every answer whole: ${least} ms (the standard asks for ${gap.standardMs} ms)`,
    `应答全部完整的最短间隔:${least} 毫秒(标准要求 ${gap.standardMs} 毫秒)`
  ])
  out.tell([
    `proposal: gap ${proposal.gapMs} ms, first octet within ${proposal.turnaroundMs} ms, at most ${proposal.octetGapMs} ms between octets`,
    `建议:帧间隔 ${proposal.gapMs} 毫秒,首字节 ${proposal.turnaroundMs} 毫秒内,字节间隔不超过 ${proposal.octetGapMs} 毫秒`
  ])
}
