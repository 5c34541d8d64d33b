import { existsSync, writeFileSync } from 'node:fs'
import type { LiveProfileCheck, ProfileCheck } from '../../compose/profiles.ts'
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
      'checks a profile; with --port tries the four word orders on a live meter',
      '检查型号文件;加 --port 则在真实电表上试四种字序'
    ],
    args: [{ form: '<profile>', about: ['name or file', '名称或文件'] }],
    options: [...LINE_OPTIONS, { flags: '--address <address>', about: ['1 to 247', '表地址 1 至 247'] }],
    examples: [
      'wattproof profile check my-meter.yaml',
      'wattproof profile check chint-dtsu666-a --port /dev/ttyUSB0 --address 1'
    ],
    async run(context, options, args) {
      const name = args[0] as string
      return textOption(options, 'port') === undefined
        ? checkFile(context, name)
        : checkMeter(context, name, options)
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

async function checkFile({ out }: Context, name: string): Promise<ExitCode> {
  const { checkProfile } = await import('../../compose/profiles.ts')
  const check = checkProfile(name)
  out.document(check)
  showCheck(out, check)
  return check.holds ? EXIT.done : EXIT.doesNotHold
}

async function checkMeter(context: Context, name: string, options: Options): Promise<ExitCode> {
  const settings = lineSettings(options, 'modbus')
  const address = textOption(options, 'address') ?? ''
  if (!/^\d{1,3}$/.test(address) || Number(address) < 1 || Number(address) > 247) {
    throw new UsageError('USAGE_FLAG', `not a Modbus address: ${JSON.stringify(address)}`, {
      at: '--address',
      next: 'a number from 1 to 247'
    })
  }
  const { checkProfileLive } = await import('../../compose/profiles.ts')
  const check = await checkProfileLive(name, settings, String(Number(address)), context.signal)
  context.out.document(check)
  showLive(context.out, check)
  const answered = check.errors.some(fault => fault.kind === 'refused')
  if (!answered && check.trials.every(trial => trial.judged === 0)) return EXIT.unreachable
  return check.holds ? EXIT.done : EXIT.doesNotHold
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

function showLive(out: Output, check: LiveProfileCheck): void {
  for (const fault of check.errors) out.complain(`${fault.asked}: ${fault.kind}: ${fault.detail}`)
  out.table(
    [
      ['order', '字序'],
      ['plausible', '合理'],
      ['values', '数值']
    ],
    check.trials.map(trial => [
      trial.order === check.order ? `${trial.order} *` : trial.order,
      `${trial.plausible}/${trial.judged}`,
      trial.values.map(({ item, value }) => `${item}=${value ?? '-'}`).join(' ')
    ])
  )
  if (check.fits === null)
    out.tell([
      'no single order fits: another profile, or no load',
      '没有唯一合理的字序:可能是别的型号,或电表未带电'
    ])
  else
    out.tell([
      `${check.fits} fits${check.holds ? ', as the profile says (*)' : `; the profile says ${check.order} (*)`}`,
      `${check.fits} 合理${check.holds ? ',与型号文件(*)一致' : `;型号文件(*)为 ${check.order}`}`
    ])
}
