import { ControlError } from '../../drivers/control/errors.ts'
import { subjectId } from '../check/alarm-engine.ts'
import type { CheckStage } from '../check/check-stage.ts'
import type { AlarmStore, Clock, StoredAlarm } from '../ports.ts'

export interface AlarmVerbDeps {
  readonly store: AlarmStore
  readonly stage: Pick<CheckStage, 'acknowledge' | 'shelve'>
  readonly clock: Clock
}

/** A person has seen the alarm; it stays raised until its cause is gone. @throws ControlError CONTROL_REMOTE */
export function acknowledgeAlarm(
  deps: AlarmVerbDeps,
  params: Readonly<Record<string, unknown>>
): StoredAlarm {
  const alarm = standingAlarm(deps.store, params['id'])
  const nowMs = deps.clock.nowMs()
  deps.stage.acknowledge(keyOf(alarm), Math.floor(nowMs / 1000))
  return save(deps.store, { ...alarm, acknowledgedAt: alarm.acknowledgedAt ?? nowMs })
}

/** The alarm is kept quiet until a time, e.g. while the meter is being replaced. @throws ControlError CONTROL_REMOTE */
export function shelveAlarm(deps: AlarmVerbDeps, params: Readonly<Record<string, unknown>>): StoredAlarm {
  const alarm = standingAlarm(deps.store, params['id'])
  const forMs = Number(params['forMs'])
  if (!Number.isSafeInteger(forMs) || forMs <= 0) {
    throw new ControlError('CONTROL_REMOTE', 'no length of time to shelve for', { next: 'give --for 8h' })
  }
  const untilMs = deps.clock.nowMs() + forMs
  deps.stage.shelve(keyOf(alarm), Math.floor(untilMs / 1000))
  return save(deps.store, { ...alarm, shelvedUntil: untilMs })
}

function standingAlarm(store: AlarmStore, id: unknown): StoredAlarm {
  const found = store.alarms({ state: 'raised', limit: 10_000 }).find(alarm => alarm.id === Number(id))
  if (found) return found
  throw new ControlError('CONTROL_REMOTE', `no alarm ${String(id)} stands`, {
    next: 'wattproof alarms --state raised lists them'
  })
}

const keyOf = (alarm: StoredAlarm) => `${subjectId({ meter: alarm.meter, bus: alarm.bus })}/${alarm.rule}`

function save(store: AlarmStore, alarm: StoredAlarm): StoredAlarm {
  store.saveAlarm(alarm)
  return alarm
}
