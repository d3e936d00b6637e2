"""Whether patients can be gamed: what tricks gain compared with good scripts, and the best text that a search finds.

    python scripts/bench/gaming.py [--trials 2000] [--seed 0] [--exchanges 20] [--group NAME ...] [--json FILE]

Uses no model. Exit code 1 if a bound is broken: no fixed policy gains more than a third of the trust that good scripts
gain, or is told more than a fifth of the layers; harmful policies end with less trust than at the start; the best text
found for each group of patients gains at most two thirds; a neutral line changes trust by less than 0.05 in 25 exchanges.
"""

import argparse
import json
import sys
from pathlib import Path

from harness.audit.audit import audit, reference
from harness.audit.policies import Policy, PolicySpec, fixed_policies
from harness.audit.search import groups, search
from harness.audit.written import written_sessions
from harness.paths import persona_dir
from harness.personas.library import load

FIXED, LAYERS, SEARCHED, DRIFT = 1 / 3, 0.2, 2 / 3, 0.05
GROUPS = ("agreeable", "evasive", "guarded")
HARMFUL = ("harmful_but_warm", "agreeing_with_death")
NEUTRAL = Policy("neutral", PolicySpec(lines=("What happened next?",)))


def main() -> int:
    """Audit, search, print, and check the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exchanges", type=int, default=20)
    parser.add_argument("--group", nargs="+", default=list(GROUPS), choices=GROUPS, help="patients to search with")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    personas = load("all", [persona_dir()])
    scripts = [session for session in written_sessions() if session.quality == "good"]
    good = reference({persona.id: persona for persona in personas}, scripts)
    print(
        f"good scripts: trust {good.trust_change:+.3f}, {good.layers_told:.0%} of the layers ({good.sessions} sessions)"
    )
    broken: list[str] = []
    earned = audit(personas, fixed_policies(), options.exchanges)
    for name, one in sorted(earned.items(), key=lambda item: -item[1].trust_change):
        share = one.trust_change / good.trust_change
        print(f"  {name:<24} {one.trust_change:+.3f} ({share:+.0%} of the good scripts), layers {one.layers_told:.0%}")
        if share > FIXED or one.layers_told > LAYERS or (name in HARMFUL and one.trust_change >= 0):
            broken.append(name)
    understood = [persona for persona in personas if persona.language.startswith("en")]  # the line is English
    drift = audit(understood, [NEUTRAL], 25)["neutral"].trust_change
    print(f"a neutral line, 25 times: {drift:+.4f}")
    broken += ["neutral"] if abs(drift) >= DRIFT else []
    found = {}
    for group, members in sorted(groups(personas).items()):
        if group not in options.group:
            continue
        others = [
            line for script in scripts if script.persona not in {p.id for p in members} for line in script.therapist
        ]
        best = search(
            group, members, trials=options.trials, seed=options.seed, exchanges=options.exchanges, lines=others
        )
        share = best.earned.trust_change / good.trust_change
        print(
            f"best text for {group} patients after {best.trials} trials: {best.earned.trust_change:+.3f} ({share:+.0%})"
        )
        print("\n".join(f"    {line}" for line in best.best.shown()))
        found[group] = {
            **best.earned.to_dict(),
            "curve": [list(point) for point in best.curve],
            "best": best.best.shown(),
        }
        broken += [group] if share > SEARCHED else []
    if options.json:
        policies = {name: one.to_dict() for name, one in earned.items()}
        figures = {"reference": good.to_dict(), "policies": policies, "search": found, "neutral": drift}
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"bounds broken: {', '.join(broken)}" if broken else "all bounds hold")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
