import type { GatewayConfig } from '../../../config/gateway-config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { ClampTest, Phase, ShownRatio } from '../../compose/ratio.ts'
import { EXIT, UsageError } from '../errors.ts'
import type { Output } from '../output.ts'
import { slotLabel } from '../slots.ts'
import { say, type Text } from '../text.ts'
import { type Options, textOption, type Verb } from '../verb.ts'

const VERDICTS = {
  holds: ['consistent', '一致'],
  violated: ['CONTRADICTED', '矛盾'],
  'no-evidence': ['no evidence', '证据不足']
} as const satisfies Record<string, Text>

const METER = { flags: '--meter <id>', about: ['one metering point', '计量点'] } as const

export const ratioVerbs: readonly Verb[] = [
  {
    name: 'ratio show',
    summary: [
      'CT/PT ratio of the meters: archive, register, evidence, verdict',
      '各计量点 CT/PT 变比:档案、寄存器、证据与结论'
    ],
    options: [METER],
    async run({ out, configFile }, options) {
      const config = loadConfig(configFile)
      const { showRatios } = await import('../../compose/ratio.ts')
      const shown = showRatios(config, knownMeter(config, textOption(options, 'meter')))
      out.document(
        shown.map(({ slot, ...ratio }) => ({
          ...ratio,
          slot,
          slotStart: slot === null ? null : slotLabel(slot, config.slotSeconds)
        }))
      )
      for (const ratio of shown) showRatio(out, ratio, config.slotSeconds)
      return shown.some(ratio => ratio.verdict === 'violated') ? EXIT.doesNotHold : EXIT.done
    }
  },
  {
    name: 'ratio verify',
    summary: [
      'clamp test: a primary current against what the meter shows now',
      '钳表核对:一次电流与电表当前示值比较'
    ],
    options: [
      METER,
      { flags: '--phase <phase>', about: ['phase of the clamp', '相别'], choices: ['A', 'B', 'C'] },
      { flags: '--primary-amps <a>', about: ['current on the primary conductor, A', '一次电流(安)'] }
    ],
    examples: ['wattproof ratio verify --meter QY-000123 --phase A --primary-amps 118'],
    async run({ out, configFile, signal }, options) {
      const meter = needed(options, 'meter', '--meter')
      const phase = needed(options, 'phase', '--phase') as Phase
      const amps = primaryAmps(needed(options, 'primaryAmps', '--primary-amps'))
      const config = loadConfig(configFile)
      knownMeter(config, meter)
      const { clampTest } = await import('../../compose/ratio.ts')
      const test = await clampTest(config, meter, phase, amps, signal)
      out.document(test)
      showClamp(out, test)
      if (test.samples === 0) return EXIT.unreachable
      return test.verdict === 'holds' ? EXIT.done : EXIT.doesNotHold
    }
  }
]

function needed(options: Options, name: string, flag: string): string {
  const value = textOption(options, name)
  if (value !== undefined) return value
  throw new UsageError('USAGE_FLAG', `${flag} is missing`, {
    at: flag,
    next: 'e.g. wattproof ratio verify --meter QY-000123 --phase A --primary-amps 118'
  })
}

function primaryAmps(text: string): number {
  const amps = Number(text)
  if (Number.isFinite(amps) && amps > 0 && amps <= 100_000) return amps
  throw new UsageError('USAGE_FLAG', `not a current: ${JSON.stringify(text)}`, {
    at: '--primary-amps',
    next: 'amperes on the primary conductor, e.g. 118'
  })
}

function knownMeter(config: GatewayConfig, meter: string | undefined): string | undefined {
  if (meter === undefined || config.meters.some(point => point.id === meter)) return meter
  throw new UsageError('USAGE_NOT_FOUND', `no meter is called ${JSON.stringify(meter)}`, {
    at: '--meter',
    next: 'wattproof status lists the configured meters'
  })
}

function showRatio(out: Output, ratio: ShownRatio, slotSeconds: number): void {
  if (out.json) return
  const { archive, register, likely } = ratio
  out.line(`${ratio.meter}  ${say(VERDICTS[ratio.verdict], out.lang)}`)
  out.tell([
    `  archive   CT ${archive.ct}, PT ${archive.pt} (version ${archive.version})`,
    `  档案      CT ${archive.ct},PT ${archive.pt}(版本 ${archive.version})`
  ])
  out.tell([
    `  register  CT ${register.ct ?? 'unset'}, PT ${register.pt ?? 'unset'}`,
    `  寄存器    CT ${register.ct ?? '未设'},PT ${register.pt ?? '未设'}`
  ])
  if (ratio.factor !== null)
    out.tell([
      `  archive is ${ratio.factor} times what is likely: CT ${likely.ct ?? '?'}, PT ${likely.pt ?? '?'}`,
      `  档案约为可能值的 ${ratio.factor} 倍:CT ${likely.ct ?? '?'},PT ${likely.pt ?? '?'}`
    ])
  if (ratio.alarmSince !== null)
    out.tell([`  alarm since ${ratio.alarmSince}`, `  告警自 ${ratio.alarmSince}`])
  if (ratio.slot === null) out.tell(['  no readings yet', '  尚无读数'])
  else {
    const slot = slotLabel(ratio.slot, slotSeconds)
    out.tell([`  tests on the reading of ${slot}`, `  依据 ${slot} 的读数`])
  }
  if (ratio.tests.length > 0) {
    out.table(
      [
        ['  test', '  检验'],
        ['verdict', '结论'],
        ['factor', '倍数'],
        ['numbers', '数值']
      ],
      ratio.tests.map(test => [
        `  ${test.title[out.lang]}`,
        say(VERDICTS[test.verdict], out.lang),
        test.factor === null ? '-' : String(test.factor),
        Object.entries(test.numbers)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ')
      ])
    )
  }
  out.line()
}

function showClamp(out: Output, test: ClampTest): void {
  if (out.json) return
  if (test.samples === 0) {
    for (const fault of test.errors) out.complain(`${test.meter}: ${fault.kind}: ${fault.detail}`)
    out.tell(['the meter gave no current', '电表没有给出电流'])
    return
  }
  const { meter, phase, secondaryAmps, spreadAmps, samples, ratio, uncertainty } = test
  out.line(`${meter}  ${phase}  ${say(VERDICTS[test.verdict], out.lang)}`)
  out.tell([
    `  clamp ${test.primaryAmps} A, meter ${secondaryAmps} A ± ${spreadAmps} (${samples} samples)`,
    `  钳表 ${test.primaryAmps} A,电表 ${secondaryAmps} A ± ${spreadAmps}(${samples} 次)`
  ])
  if (ratio === null) {
    out.tell(['  too little current to tell: try under load', '  电流过小,请在带负荷时再试'])
    return
  }
  out.tell([
    `  ratio ${ratio} ± ${uncertainty}, nearest standard ${test.nearest ?? '-'}, archive ${test.archive}`,
    `  实测变比 ${ratio} ± ${uncertainty},最近标准值 ${test.nearest ?? '-'},档案 ${test.archive}`
  ])
  if (test.verdict === 'violated')
    out.tell([
      `  archive is ${test.factor} times the measured ratio${test.factorName ? ` (${test.factorName})` : ''}`,
      `  档案为实测的 ${test.factor} 倍${test.factorName ? `(${test.factorName})` : ''}`
    ])
}
