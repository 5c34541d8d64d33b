import { loadConfig } from '../../../config/load.ts'
import { EXIT } from '../errors.ts'
import { textOption, type Verb } from '../verb.ts'

export const keysVerbs: readonly Verb[] = [
  {
    name: 'keys init',
    summary: ['makes the device keys (or those of a ledger)', '生成设备密钥(或账本密钥)'],
    options: [
      {
        flags: '--ledger <dir>',
        about: [
          'make a ledger key and its two public keys in this folder instead',
          '在此目录生成账本密钥及两份公钥'
        ]
      }
    ],
    async run({ out, configFile }, options) {
      const keys = await import('../../compose/keys.ts')
      const folder = textOption(options, 'ledger')
      const made =
        folder === undefined ? keys.initIdentity(loadConfig(configFile)) : keys.initLedgerKey(folder)
      out.document(made)
      for (const [name, value] of Object.entries(made)) out.line(`${name.padEnd(14)} ${String(value)}`)
      return EXIT.done
    }
  },
  {
    name: 'keys show',
    summary: ['shows the public side of the device keys', '显示设备公钥信息'],
    async run({ out, configFile }) {
      const { showIdentity } = await import('../../compose/keys.ts')
      const shown = showIdentity(loadConfig(configFile))
      out.document(shown)
      for (const [name, value] of Object.entries(shown)) out.line(`${name.padEnd(14)} ${String(value)}`)
      return EXIT.done
    }
  },
  {
    name: 'keys register',
    summary: ['prints the bundle the utility needs to admit this gateway', '输出供电公司登记所需文件'],
    async run({ out, configFile }) {
      const { registrationBundle } = await import('../../compose/keys.ts')
      out.raw(JSON.stringify(registrationBundle(loadConfig(configFile)), null, 2))
      return EXIT.done
    }
  }
]
