import type { GatewayConfig } from '../../config/gateway-config.ts'
import { loadProfile } from '../../drivers/meters/modbus-profiles.ts'

/** A meter whose profile says that its registers are primary values although the archive gives it a ratio. */
export interface SideWarning {
  readonly meter: string
  readonly profile: string
  readonly message: string
  readonly next: string
}

/**
 * Ratios that would be counted twice: a profile whose registers stand on the primary side beside a CT or PT in the archive.
 * A warning only: some makers' manuals say primary where the meter does not (the clamp test tells).
 * @throws ProfileError when a named profile does not exist or is damaged
 */
export function findSideWarnings(config: GatewayConfig): SideWarning[] {
  return config.meters.flatMap(meter => {
    if (meter.protocol !== 'modbus' || meter.profile === undefined) return []
    const { side, name } = loadProfile(meter.profile)
    const hasRatio = meter.ct.primary !== meter.ct.secondary || meter.pt.primary !== meter.pt.secondary
    if (side !== 'primary' || !hasRatio) return []
    return [
      {
        meter: meter.id,
        profile: name,
        message: `profile ${name} gives primary values: with ct ${meter.ct.primary}/${meter.ct.secondary} they would be multiplied twice`,
        next: `leave ct and pt out for ${meter.id}, or prove the side: wattproof ratio verify --meter ${meter.id}`
      }
    ]
  })
}
