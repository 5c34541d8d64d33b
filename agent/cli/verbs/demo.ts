import { EXIT, UsageError } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { say } from '../text.ts'
import { textOption, type Verb } from '../verb.ts'

export const demoVerb: Verb = {
  name: 'demo',
  summary: [
    'the main job on simulated meters, ending in a verified proof and caught forgeries',
    '模拟电表上的完整演示:验证证据并识破伪造'
  ],
  options: [
    { flags: '--slots <n>', about: ['slots to read', '演示时段数'], fallback: '8' },
    { flags: '--slot-seconds <s>', about: ['length of a slot', '时段秒数'], fallback: '4' },
    { flags: '--keep', about: ['keep the work folder', '保留工作目录'] }
  ],
  async run({ out, signal }, options) {
    const slots = parseCount(textOption(options, 'slots') ?? '8', '--slots')
    const slotSeconds = parseCount(textOption(options, 'slotSeconds') ?? '4', '--slot-seconds')
    if (slotSeconds < 3 || slotSeconds > 900) {
      throw new UsageError('USAGE_FLAG', `a demo slot takes 3 to 900 seconds, not ${slotSeconds}`, {
        at: '--slot-seconds'
      })
    }
    const { runDemo } = await import('../../compose/demo/run.ts')
    try {
      const held = await runDemo({ slots, slotSeconds, keep: options['keep'] === true }, out, signal)
      return held ? EXIT.done : EXIT.doesNotHold
    } catch (error) {
      // Ctrl-C ends the parts of the demo too, each with its own complaint; and what was cut off has shown nothing
      if (!signal.aborted) throw error
      out.complain(say(['interrupted: nothing was proved', '已中断:未完成验证'], out.lang))
      return EXIT.doesNotHold
    }
  }
}
