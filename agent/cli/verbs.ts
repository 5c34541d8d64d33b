import type { Verb } from './verb.ts'
import { alarmVerbs } from './verbs/alarm.ts'
import { alarmsVerb } from './verbs/alarms.ts'
import { anchorsVerb } from './verbs/anchors.ts'
import { backfillVerb } from './verbs/backfill.ts'
import { batchesVerb } from './verbs/batches.ts'
import { busAcceptVerb } from './verbs/bus-accept.ts'
import { busProbeVerb } from './verbs/bus-probe.ts'
import { busSniffVerb } from './verbs/bus-sniff.ts'
import { busTuneVerb } from './verbs/bus-tune.ts'
import { checkVerb } from './verbs/check.ts'
import { completionVerb } from './verbs/completion.ts'
import { configVerbs } from './verbs/config.ts'
import { decodeVerb } from './verbs/decode.ts'
import { demoVerb } from './verbs/demo.ts'
import { gapsVerb } from './verbs/gaps.ts'
import { itemsVerb } from './verbs/items.ts'
import { keysVerbs } from './verbs/keys.ts'
import { ledgerVerb } from './verbs/ledger.ts'
import { profileVerbs } from './verbs/profile.ts'
import { proofVerb } from './verbs/proof.ts'
import { ratioVerbs } from './verbs/ratio.ts'
import { readVerb } from './verbs/read.ts'
import { readingsVerb } from './verbs/readings.ts'
import { runVerb } from './verbs/run.ts'
import { scanVerb } from './verbs/scan.ts'
import { simulateVerb } from './verbs/simulate.ts'
import { statusVerb } from './verbs/status.ts'
import { sweepVerb } from './verbs/sweep.ts'
import { verifyVerb } from './verbs/verify.ts'

/** Every command, in the order of the help. */
export const VERBS: readonly Verb[] = [
  runVerb,
  demoVerb,
  statusVerb,
  readVerb,
  scanVerb,
  sweepVerb,
  decodeVerb,
  busSniffVerb,
  busProbeVerb,
  busTuneVerb,
  busAcceptVerb,
  readingsVerb,
  gapsVerb,
  backfillVerb,
  batchesVerb,
  anchorsVerb,
  alarmsVerb,
  ...alarmVerbs,
  proofVerb,
  verifyVerb,
  checkVerb,
  ...ratioVerbs,
  ...profileVerbs,
  ...keysVerbs,
  ...configVerbs,
  itemsVerb,
  ledgerVerb,
  simulateVerb,
  completionVerb(() => VERBS)
]
