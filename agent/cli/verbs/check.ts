import { readFileSync } from 'node:fs'
import { loadConfig } from '../../../config/load.ts'
import { CodecError } from '../../../proto/errors.ts'
import type { ReplayFinding } from '../../check/replay-findings.ts'
import { EXIT, UsageError } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { say } from '../text.ts'
import { textOption, type Verb } from '../verb.ts'

export const checkVerb: Verb = {
  name: 'check',
  summary: ['runs the checks over a file of readings; findings out', '对读数文件运行校核,输出发现的问题'],
  options: [
    {
      flags: '--replay <file>',
      about: ['readings as readings --json gives them; - for standard input', '读数文件;- 为标准输入']
    },
    {
      flags: '--config <file>',
      about: ['meters of the site; without it the readings alone speak', '现场配置;缺省仅凭读数']
    },
    {
      flags: '--slot-seconds <s>',
      about: [
        'length of a slot, without --config; found out when left out',
        '时段秒数(无 --config 时),缺省自动推断'
      ]
    },
    {
      flags: '--timezone <zone>',
      about: [
        "zone of days, without --config; by the file's times and loads when left out, else Asia/Shanghai",
        '时区(无 --config 时),缺省按文件时间与负荷推断,否则为 Asia/Shanghai'
      ]
    }
  ],
  examples: ['wattproof readings --json > day.json && wattproof check --replay day.json'],
  async run({ out, lang, readStdin }, options) {
    const file = textOption(options, 'replay')
    if (file === undefined) {
      throw new UsageError('USAGE_FLAG', 'no file of readings was named', {
        at: '--replay',
        next: 'wattproof check --replay FILE (wattproof config check validates the configuration)'
      })
    }
    const configFile = textOption(options, 'config')
    const { replayFile } = await import('../../compose/replay.ts')
    const slotSeconds = textOption(options, 'slotSeconds')
    const zone = textOption(options, 'timezone')
    const place =
      configFile === undefined
        ? {
            slotSeconds: slotSeconds === undefined ? undefined : parseCount(slotSeconds, '--slot-seconds'),
            timezone: zone === undefined ? undefined : knownZone(zone)
          }
        : loadConfig(configFile)
    const octets = file === '-' ? await readStdin() : readOctets(file)
    const report = inFile(file, () => replayFile(octets, place))
    const holds = report.findings.every(finding => finding.verdict === 'holds')
    out.document({ file, holds, ...report })
    out.tell([
      `${report.readings} readings of ${report.meters} meter(s): ${report.findings.length} finding(s), ${report.alarms.length} alarm event(s)`,
      `${report.meters} 个计量点共 ${report.readings} 条读数:${report.findings.length} 处问题,${report.alarms.length} 次告警事件`
    ])
    if (report.readings === 0)
      out.complain(
        say(['there are no readings in it: nothing was checked', '文件中没有读数:未作任何校核'], lang)
      )
    if (report.findings.length > 0) {
      out.table(
        [
          ['meter', '计量点'],
          ['rule', '规则'],
          ['class', '等级'],
          ['from', '起'],
          ['to', '止'],
          ['slots', '时段'],
          ['factor', '倍数'],
          ['cause and numbers', '原因与数值']
        ],
        report.findings.map(finding => [
          finding.meter ?? finding.bus ?? say(['gateway', '网关'], lang),
          finding.rule,
          finding.class ?? '-',
          finding.since,
          finding.until,
          String(finding.slots),
          finding.factor === null ? '-' : String(finding.factor),
          numbersText(finding)
        ])
      )
    }
    return holds ? EXIT.done : EXIT.doesNotHold
  }
}

function numbersText({ cause, numbers }: ReplayFinding): string {
  const pairs = Object.entries(numbers).map(([name, value]) => `${name}=${value}`)
  return [...(cause === null ? [] : [cause]), ...pairs].join(' ')
}

function knownZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch {
    throw new UsageError('USAGE_FLAG', `no time zone is called ${JSON.stringify(zone)}`, {
      at: '--timezone',
      next: 'an IANA name, e.g. Asia/Shanghai'
    })
  }
}

/** Names the file beside the line that is no reading. */
function inFile<T>(file: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    const at = cause.at === undefined ? file : `${file}, ${cause.at}`
    const next = cause.next ?? 'mend that reading, or leave it out'
    throw new CodecError(cause.code, cause.message, { at, next, cause })
  }
}

function readOctets(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new UsageError(
      'USAGE_NOT_FOUND',
      `cannot read the readings: ${(cause as NodeJS.ErrnoException).code}`,
      { at: file, next: 'wattproof readings --json > FILE makes one', cause }
    )
  }
}
