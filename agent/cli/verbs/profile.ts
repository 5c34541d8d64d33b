import { existsSync, writeFileSync } from 'node:fs'
import type { ProfileVerdict } from '../../../proto/modbus/identify.ts'
import type { ProfileCheck } from '../../compose/profiles.ts'
import { EXIT, type ExitCode, UsageError } from '../errors.ts'
import { LINE_OPTIONS, lineSettings } from '../line-options.ts'
import type { Output } from '../output.ts'
import { type Context, type Options, textOption, type Verb } from '../verb.ts'

export const profileVerbs: readonly Verb[] = [
  {
    name: 'profile list',
    summary: ['lists the shipped Modbus meter profiles', '列出自带的 Modbus 电表型号文件'],
    async run({ out }) {
      const { shippedProfiles } = await import('../../compose/profiles.ts')
      const profiles = shippedProfiles()
      out.document(profiles)
      out.table(
        [
          ['name', '名称'],
          ['maker', '厂家'],
          ['side', '侧'],
          ['order', '字序'],
          ['items', '项'],
          ['golden', '样例'],
          ['models', '型号']
        ],
        profiles.map(profile => [
          profile.name,
          profile.maker,
          profile.side,
          profile.order,
          String(profile.items.length),
          `${profile.golden.holding}/${profile.golden.values}`,
          profile.models.join(', ')
        ])
      )
      return EXIT.done
    }
  },
  {
    name: 'profile check',
    summary: [
      'checks profiles; with --port says which one, in which word order, fits a live meter',
      '检查型号文件;加 --port 则判断哪个型号与字序符合真实电表'
    ],
    args: [{ form: '<profile...>', about: ['names or files', '名称或文件'] }],
    options: [...LINE_OPTIONS, { flags: '--address <address>', about: ['1 to 247', '表地址 1 至 247'] }],
    examples: [
      'wattproof profile check my-meter.yaml',
      'wattproof profile check chint-dtsu666-a chint-dtsu666-b --port /dev/ttyUSB0 --address 1'
    ],
    async run(context, options, args) {
      return textOption(options, 'port') === undefined
        ? checkFiles(context, args)
        : checkMeter(context, args, options)
    }
  },
  {
    name: 'profile new',
    summary: ['writes the skeleton of a new profile', '生成新型号文件的骨架'],
    args: [{ form: '<name>', about: ['lower-case name of the profile', '型号文件名称(小写)'] }],
    options: [
      { flags: '--from <profile>', about: ['start from this one', '以此为底稿'] },
      { flags: '-o, --output <file>', about: ['file to write', '输出文件'] }
    ],
    examples: ['wattproof profile new my-meter -o my-meter.yaml && wattproof profile check my-meter.yaml'],
    async run({ out }, options, args) {
      const name = args[0] as string
      if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) {
        throw new UsageError('USAGE_ARGUMENT', `not a name of a profile: ${JSON.stringify(name)}`, {
          next: 'lower-case letters, digits and -, e.g. acme-em3'
        })
      }
      const { newProfile } = await import('../../compose/profiles.ts')
      const text = newProfile(name, textOption(options, 'from'))
      const file = textOption(options, 'output')
      if (file === undefined) {
        out.document({ name, text })
        out.line(text.trimEnd())
        return EXIT.done
      }
      if (existsSync(file)) {
        throw new UsageError('USAGE_FLAG', 'the file is there already and is not overwritten', {
          at: file,
          next: 'name another file'
        })
      }
      writeFileSync(file, text)
      out.document({ name, file })
      out.tell([
        `${file}: fill it in, then wattproof profile check ${file}`,
        `${file}:填写后运行 wattproof profile check ${file}`
      ])
      return EXIT.done
    }
  }
]

async function checkFiles({ out }: Context, names: readonly string[]): Promise<ExitCode> {
  const { checkProfile } = await import('../../compose/profiles.ts')
  const profiles = names.map(checkProfile)
  const holds = profiles.every(profile => profile.holds)
  out.document({ holds, profiles })
  for (const profile of profiles) showCheck(out, profile)
  return holds ? EXIT.done : EXIT.doesNotHold
}

async function checkMeter(context: Context, names: readonly string[], options: Options): Promise<ExitCode> {
  const { out } = context
  const settings = lineSettings(options, 'modbus')
  const address = textOption(options, 'address') ?? ''
  if (!/^\d{1,3}$/.test(address) || Number(address) < 1 || Number(address) > 247) {
    throw new UsageError('USAGE_FLAG', `not a Modbus address: ${JSON.stringify(address)}`, {
      at: '--address',
      next: 'a number from 1 to 247'
    })
  }
  const { checkProfilesOnLine } = await import('../../compose/profiles.ts')
  const { verdicts, faults } = await checkProfilesOnLine(names, settings, Number(address), context.signal)
  const holds = verdicts.some(verdict => verdict.holds)
  out.document({ holds, verdicts, errors: faults })
  for (const fault of faults) out.complain(`${fault.asked}: ${fault.kind}: ${fault.detail}`)
  for (const verdict of verdicts) showVerdict(out, verdict)
  const wasRead = verdicts.some(verdict => verdict.trials.some(trial => trial.judged > 0))
  if (!wasRead && !faults.some(fault => fault.kind === 'refused')) return EXIT.unreachable
  return holds ? EXIT.done : EXIT.doesNotHold
}

function showCheck(out: Output, check: ProfileCheck): void {
  const { values, holding, exchanges } = check.golden
  out.tell([
    `${check.name}: ${check.items.length} items; ${holding} of ${values} values of ${exchanges} exchange(s) hold`,
    `${check.name}:${check.items.length} 项;${exchanges} 组样例报文中 ${values} 个值有 ${holding} 个相符`
  ])
  for (const { exchange, item, expected, got } of check.failures)
    out.tell([
      `  exchange ${exchange}: ${item} is ${got ?? '-'}, expected ${expected ?? '-'}`,
      `  样例 ${exchange}:${item} 为 ${got ?? '-'},应为 ${expected ?? '-'}`
    ])
}

function showVerdict(out: Output, verdict: ProfileVerdict): void {
  const { profile, order, fits } = verdict
  if (verdict.holds) out.tell([`${profile}: fits`, `${profile}:符合`])
  else if (fits === null) out.tell([`${profile}: does not fit`, `${profile}:不符合`])
  else if (fits === order) out.tell([`${profile}: another map fits better`, `${profile}:应为另一型号`])
  else out.tell([`${profile}: fits with order: ${fits}`, `${profile}:字序应为 ${fits}`])
  out.line(`  ${verdict.why}`)
  if (verdict.holds || verdict.trials.every(trial => trial.judged === 0)) return
  out.table(
    [
      ['  order', '  字序'],
      ['plausible', '合理'],
      ['values', '数值']
    ],
    verdict.trials.map(trial => [
      `  ${trial.order}${trial.order === order ? ' *' : ''}`,
      `${trial.plausible}/${trial.judged}`,
      trial.values.map(({ item, value }) => `${item}=${value ?? '-'}`).join(' ')
    ])
  )
}
