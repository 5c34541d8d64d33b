import type { GatewayConfig } from '../../config/gateway-config.ts'
import { loadRules } from '../../config/rules.ts'
import type { ReadingChecker } from '../acquire/acquire-loop.ts'
import { CheckStage } from '../check/check-stage.ts'
import { withChainChoice } from '../check/rule-book.ts'
import type { LearnedStore, Log, MeterAnswer } from '../ports.ts'
import { type AlarmDesk, frameHashes } from './alarm-desk.ts'
import { utcOffsetMinutes } from './zone.ts'

/** The check stage of a configuration, with what it learned before. */
export function createCheckStage(config: GatewayConfig, learned: LearnedStore): CheckStage {
  const stage = new CheckStage({
    meters: config.meters,
    rules: withChainChoice(loadRules(), config.rules),
    learned,
    slotSeconds: config.slotSeconds,
    utcOffsetMinutes: utcOffsetMinutes(config.timezone, Date.now()),
    ...(config.location ? { location: config.location } : {})
  })
  stage.start()
  return stage
}

/**
 * What acquisition hands its readings to: quality comes back in them, alarms go to the desk.
 * A defect in a check must not cost a reading: it is logged and the readings pass unflagged.
 */
export function readingChecker(stage: CheckStage, desk: AlarmDesk, log: Log): ReadingChecker {
  return (slot, readings, answers) => {
    try {
      const checked = stage.onSlot(slot, readings, hashesOf(answers))
      desk.file(checked.alarmEvents)
      return checked.readings
    } catch (error) {
      log.error('check-failed', { slot, error })
      return [...readings]
    }
  }
}

function hashesOf(answers: ReadonlyMap<string, MeterAnswer>): Map<string, readonly string[]> {
  return new Map([...answers].map(([meter, answer]) => [meter, frameHashes(answer.frames)]))
}
