import { loadConfig } from '../../../config/load.ts'
import { EXIT } from '../errors.ts'
import { say, type Text } from '../text.ts'
import { textOption, type Verb } from '../verb.ts'

/** What remains to be done after a rotation, on stderr: stdout is the bundle. */
const ROTATE_ADVICE = {
  waiting: [
    'a key made before is in force and has signed nothing yet: it stays',
    '此前更换的密钥已生效但尚未使用,不再更换'
  ],
  ledger: [
    'give the bundle to the ledger (wattproof ledger --register bundle.json) before the gateway signs with the new key; until then what it signs waits, and nothing is lost',
    '请先将该文件登记到账本(wattproof ledger --register bundle.json);登记之前新签数据在网关排队,不会丢失'
  ],
  registry: [
    'the registrar gives the gateway its new signer: admit(chainGatewayId, chainAccount); until then the old account goes on anchoring',
    '登记员在合约上执行 admit(chainGatewayId, chainAccount) 更换签名账户;在此之前继续用旧账户锚定'
  ],
  restart: [
    'the running daemon goes on with the key it has: systemctl restart wattproof puts the new one in use, and a new epoch begins',
    '运行中的守护进程仍用旧密钥:systemctl restart wattproof 后启用新密钥并开始新纪元'
  ],
  start: ['the daemon takes the new key at its next start', '守护进程下次启动时启用新密钥']
} as const satisfies Record<string, Text>

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
    name: 'keys rotate',
    summary: [
      'puts a new signing key in force and prints the bundle the utility needs',
      '更换签名密钥并输出供电公司登记所需文件'
    ],
    options: [
      { flags: '--chain', about: ['the chain account instead of the signing key', '改为更换链上账户'] },
      { flags: '--both', about: ['signing key and chain account', '签名密钥与链上账户一并更换'] }
    ],
    examples: ['wattproof keys rotate > bundle.json'],
    async run({ out, configFile }, options) {
      const config = loadConfig(configFile)
      const [both, chain] = [options['both'] === true, options['chain'] === true]
      const { rotateIdentity } = await import('../../compose/key-rotation.ts')
      const { askIfRunning } = await import('../../compose/control.ts')
      const { registrationBundle } = await import('../../compose/keys.ts')
      const outcome = rotateIdentity(config, {
        signing: both || !chain,
        chain: both || chain,
        nowMs: Date.now()
      })
      out.raw(JSON.stringify(registrationBundle(config), null, 2))
      if (out.json) return EXIT.done
      // a socket that may not be spoken to is a daemon all the same
      const isRunning = (await askIfRunning(config, 'view', 'live').catch(() => true)) !== undefined
      const advice: (Text | false)[] = [
        Object.values(outcome).includes('waiting') && ROTATE_ADVICE.waiting,
        outcome.signing !== undefined && ROTATE_ADVICE.ledger,
        outcome.chain !== undefined && ROTATE_ADVICE.registry,
        isRunning ? ROTATE_ADVICE.restart : ROTATE_ADVICE.start
      ]
      for (const text of advice) if (text) out.complain(say(text, out.lang))
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
