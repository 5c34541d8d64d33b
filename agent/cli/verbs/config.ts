import { ConfigError, formatProblem } from '../../../config/errors.ts'
import { gatewaySchema, loadConfig } from '../../../config/load.ts'
import { redactConfig } from '../../../config/redact.ts'
import { EXIT } from '../errors.ts'
import type { Verb } from '../verb.ts'

export const configVerbs: readonly Verb[] = [
  {
    name: 'config check',
    summary: ['validates the configuration; every problem with line and column', '校验配置,逐条给出行列'],
    async run({ out, configFile }) {
      try {
        const config = loadConfig(configFile)
        const { findSideWarnings } = await import('../../compose/profile-sides.ts')
        const warnings = findSideWarnings(config)
        for (const warning of warnings) out.line(`${warning.meter}: ${warning.message} (${warning.next})`)
        out.document({
          ok: true,
          file: configFile,
          gateway: config.gateway,
          buses: config.buses.length,
          meters: config.meters.length,
          warnings,
          problems: []
        })
        out.line(`${configFile}: ok, ${config.buses.length} bus(es), ${config.meters.length} meter(s)`)
        return EXIT.done
      } catch (error) {
        if (!(error instanceof ConfigError) || error.problems.length === 0) throw error
        out.document({ ok: false, file: configFile, problems: error.problems })
        for (const problem of error.problems) out.line(formatProblem(problem))
        out.tell([`${error.problems.length} problem(s)`, `${error.problems.length} 处问题`])
        return EXIT.usage
      }
    }
  },
  {
    name: 'config show',
    summary: ['shows the configuration with its defaults, redacted', '显示生效配置(已脱敏)'],
    async run({ out, configFile }) {
      const shown = redactConfig(loadConfig(configFile))
      out.document(shown)
      if (!out.json) out.raw(JSON.stringify(shown, null, 2))
      return EXIT.done
    }
  },
  {
    name: 'config schema',
    summary: ['prints the JSON Schema of the configuration', '输出配置的 JSON Schema'],
    async run({ out }) {
      out.raw(JSON.stringify(gatewaySchema(), null, 2))
      return EXIT.done
    }
  }
]
