import { loadConfig } from '../../../config/load.ts'
import { parseDurationMs } from '../../../config/units.ts'
import type { StoredAlarm } from '../../ports.ts'
import { EXIT, type ExitCode, UsageError } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { type Context, textOption, type Verb } from '../verb.ts'

const ID_ARGUMENT = {
  form: '<id>',
  about: ['number of the alarm, as wattproof alarms shows it', '告警编号']
} as const

export const alarmVerbs: readonly Verb[] = [
  {
    name: 'alarm ack',
    summary: ['acknowledges an alarm: somebody has seen it', '确认告警'],
    args: [ID_ARGUMENT],
    run: (context, _options, [id = '']) => change(context, 'alarm-ack', { id: parseCount(id, '<id>') })
  },
  {
    name: 'alarm shelve',
    summary: ['keeps an alarm quiet for a while', '搁置告警一段时间'],
    args: [ID_ARGUMENT],
    options: [
      { flags: '--for <time>', about: ['how long, e.g. 8h or 2d', '时长,如 8h、2d'], fallback: '8h' }
    ],
    run: (context, options, [id = '']) => {
      const text = textOption(options, 'for') ?? '8h'
      const forMs = parseDurationMs(text)
      if (!forMs)
        throw new UsageError('USAGE_FLAG', `not a length of time: ${JSON.stringify(text)}`, {
          at: '--for',
          next: 'e.g. 8h or 2d'
        })
      return change(context, 'alarm-shelve', { id: parseCount(id, '<id>'), forMs })
    }
  }
]

/** Only the daemon may write to the store, so it does this. */
async function change(
  { out, configFile }: Context,
  verb: string,
  params: Record<string, unknown>
): Promise<ExitCode> {
  const { askIfRunning } = await import('../../compose/control.ts')
  const answer = (await askIfRunning(loadConfig(configFile), 'admin', verb, params)) as
    | StoredAlarm
    | undefined
  if (answer === undefined) {
    throw new UsageError('USAGE_NEEDS_DAEMON', 'no daemon runs for this gateway', {
      next: 'start it: systemctl start wattproof'
    })
  }
  const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  out.document({
    id: answer.id,
    rule: answer.rule,
    meter: answer.meter,
    acknowledgedAt: iso(answer.acknowledgedAt),
    shelvedUntil: iso(answer.shelvedUntil)
  })
  out.line(
    `${answer.id} ${answer.rule} ${answer.meter ?? answer.bus ?? ''} ${iso(answer.shelvedUntil) ?? iso(answer.acknowledgedAt) ?? ''}`.trim()
  )
  return EXIT.done
}
