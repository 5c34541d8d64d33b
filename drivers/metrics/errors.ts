import { WattproofError } from '../../proto/errors.ts'

export type MetricsCode = 'METRICS_LISTEN'

/** The metrics endpoint cannot be offered. */
export class MetricsError extends WattproofError<MetricsCode> {}
