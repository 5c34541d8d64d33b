import { EXIT, UsageError } from '../errors.ts'
import { manyOption, textOption, type Verb } from '../verb.ts'

export const ledgerVerb: Verb = {
  name: 'ledger',
  summary: [
    'reference ledger: verifies, decrypts, stores, answers receipts',
    '参考账本:验签、解密、入库并签发回执'
  ],
  options: [
    { flags: '--broker <url>', about: ['MQTT broker', 'MQTT 代理地址'] },
    {
      flags: '--key <file>',
      about: ['key file made by keys init --ledger', 'keys init --ledger 生成的密钥文件']
    },
    { flags: '--db <file>', about: ['database', '数据库文件'] },
    { flags: '--name <name>', about: ['name in receipts', '回执中的账本名'], fallback: 'ledger' },
    {
      flags: '--register <file>',
      about: [
        'bundle of keys register or keys rotate: enrols a gateway, or its new key; may be repeated',
        '网关登记文件(登记网关或其新密钥),可重复'
      ],
      many: true
    },
    {
      flags: '--trust-key <id>',
      about: [
        'key id to take although the key before has not signed for it (it is lost): compare it with keys show on the device',
        '旧密钥遗失时仍接受的密钥编号:须先与设备上 keys show 核对'
      ],
      many: true
    },
    {
      flags: '--suite <n>',
      about: ['suite taken; may be repeated; 1 when left out', '接受的密码套件,可重复,缺省为 1'],
      choices: ['1', '2', '3'],
      many: true
    },
    { flags: '--ca <file>', about: ['CA of the broker', '代理 CA 证书'] },
    { flags: '--cert <file>', about: ['own certificate', '客户端证书'] },
    { flags: '--tls-key <file>', about: ['own TLS key', '客户端 TLS 私钥'] }
  ],
  examples: [
    'wattproof ledger --broker mqtt://127.0.0.1:1883 --key ledger.key --db ledger.db --register bundle.json'
  ],
  async run({ out, signal }, options) {
    const need = (name: string) => {
      const value = textOption(options, name)
      if (value === undefined)
        throw new UsageError('USAGE_FLAG', `--${name} is missing`, {
          at: `--${name}`,
          next: 'wattproof ledger --help'
        })
      return value
    }
    const suites = manyOption(options, 'suite').map(Number)
    const { runLedger } = await import('../../compose/ledger.ts')
    await runLedger(
      {
        broker: need('broker'),
        keyFile: need('key'),
        dbFile: need('db'),
        name: textOption(options, 'name') ?? 'ledger',
        register: manyOption(options, 'register'),
        trustKeys: manyOption(options, 'trustKey').map(id => id.toLowerCase()),
        suites: suites.length > 0 ? suites : [1],
        caFile: textOption(options, 'ca'),
        certFile: textOption(options, 'cert'),
        tlsKeyFile: textOption(options, 'tlsKey')
      },
      signal,
      event => {
        out.streamed(event)
        out.line(
          Object.entries(event)
            .map(([name, value]) => `${name}=${String(value)}`)
            .join(' ')
        )
      }
    )
    return EXIT.done
  }
}
