/** Which meters of a fleet get a fault. */
import type { Random } from './curves.ts'
import { areaLoad, type Scenario } from './faults.ts'
import type { Fault, SimMeter } from './fleet.ts'

/** About one meter in four of those it fits; one an area for ratios, which the area's balance sees. */
export function chooser(scenario: Scenario) {
  let lastArea = ''
  return (rnd: Random, meter: SimMeter, slots: number): Fault | undefined => {
    if (meter.kind === 'parent') {
      areaLoad.value = meter.load.reduce((a, b) => a + Math.abs(b), 0) / meter.load.length
      return undefined
    }
    if (!scenario.fits(meter)) return undefined
    if (scenario.bound === 'ratio') {
      const area = meter.point.bus
      if (area === lastArea || rnd.next() > 0.5) return undefined
      lastArea = area
    } else if (rnd.next() > 0.25) return undefined
    return scenario.make(rnd, meter, slots)
  }
}
