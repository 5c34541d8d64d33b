import { writeFileSync } from 'node:fs'
import { loadConfig } from '../../../config/load.ts'
import { toHex } from '../../../proto/bytes.ts'
import { EXIT, UsageError } from '../errors.ts'
import { parseCount, parseSlot, slotLabel } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

export const proofVerb: Verb = {
  name: 'proof',
  summary: ['evidence for one reading, to give to anybody', '导出一条读数的证据'],
  options: [
    { flags: '--meter <id>', about: ['metering point', '计量点'] },
    { flags: '--slot <slot>', about: ['slot number or a time inside it', '时段号或时刻'] },
    { flags: '--reading-version <n>', about: ['version; the highest when left out', '版本,缺省为最高'] },
    { flags: '-o, --output <file>', about: ['file to write', '输出文件'] }
  ],
  examples: [
    'wattproof proof --meter QY-000123 --slot 2026-11-22T23:45Z -o reading.proof',
    'wattproof keys register > bundle.json && wattproof verify reading.proof --gateway-key bundle.json'
  ],
  async run({ out, configFile }, options) {
    const config = loadConfig(configFile)
    const meter = textOption(options, 'meter')
    const at = textOption(options, 'slot')
    if (meter === undefined || at === undefined) {
      throw new UsageError('USAGE_FLAG', '--meter and --slot are needed', {
        next: 'wattproof readings shows what there is'
      })
    }
    const version = textOption(options, 'readingVersion')
    const slot = parseSlot(at, config.slotSeconds, '--slot')
    const { proofFromStore } = await import('../../compose/proofs.ts')
    const proof = proofFromStore(
      config,
      meter,
      slot,
      version === undefined ? undefined : parseCount(version, '--reading-version')
    )
    const file = textOption(options, 'output')
    if (file !== undefined) writeFileSync(file, proof.octets)
    out.document({
      meter,
      slot,
      slotStart: slotLabel(slot, config.slotSeconds),
      epoch: proof.epoch,
      seq: proof.seq,
      leafIndex: proof.leafIndex,
      octets: proof.octets.length,
      receipt: proof.hasReceipt,
      ...(file === undefined ? { proof: toHex(proof.octets) } : { file })
    })
    if (file === undefined) out.line(toHex(proof.octets))
    else
      out.tell([
        `${file}: ${proof.octets.length} octets; check it with: wattproof verify ${file} --gateway-key BUNDLE (what keys register prints)`,
        `${file}:${proof.octets.length} 字节;验证:wattproof verify ${file} --gateway-key BUNDLE(keys register 的输出)`
      ])
    return EXIT.done
  }
}
