/** One seed in CI, so that a red run can be repeated; a fresh one everywhere else. Failures print theirs. */

import fc from 'fast-check'

if (process.env['CI'] === 'true') fc.configureGlobal({ seed: 20_261_122 })
