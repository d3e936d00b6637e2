# Sourced by scripts/quickstart and scripts/test: installs requirements/*.lock into .venv, and does nothing if that is done already.
# Settings: PYTHON (which Python makes .venv), HARNESS_TORCH_INDEX (scripts/install_torch.py), pip's own, HARNESS_CACHE.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
VENV_PYTHON=$VENV/bin/python
SETUP_LOG=$ROOT/.setup.log

# Settings of the caller's shell that would make pip install somewhere else, or prompt.
unset PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
{ : <&0; } 2>/dev/null || exec </dev/null

say() { printf 'set-up: %s\n' "$*"; }
fail() { printf 'set-up: %s\n' "$*" >&2; exit 1; }

# step WHAT COMMAND...: runs the command and prints one line, and one more if it fails. The command's output goes to the log.
step() {
  local what=$1 started=$SECONDS status=0 why; shift
  printf 'set-up: %s ... ' "$what"
  printf '\n== %s: %s\n' "$what" "$*" >>"$SETUP_LOG"
  "$@" >>"$SETUP_LOG" 2>&1 </dev/null || status=$?
  if ((status)); then
    printf 'failed\n'
    why=$(grep -aiE '^(\w*error|fatal)\b' "$SETUP_LOG" | tail -n 1 || true)
    fail "$what failed (exit code $status)${why:+: $why}; log: $SETUP_LOG"
  fi
  printf 'done in %d s\n' "$((SECONDS - started))"
}

check_system() {
  local system machine libc least
  system=$(uname -s) machine=$(uname -m)
  case "$system/$machine" in
    Linux/x86_64 | Linux/aarch64) ;;
    *) fail "supports only Linux on x86_64 and aarch64, and this is $system on $machine; use a Linux container, or run: python3 -m venv .venv && .venv/bin/pip install -e '.[transformers]' && .venv/bin/python -m harness run experiment=smoke engine=transformers" ;;
  esac
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || fail "needs glibc, which this Linux does not have (Alpine?); use a Debian, Ubuntu or Fedora image"
  [[ $machine == x86_64 ]] && least=2.28 || least=2.31 # of the wheels in cpu.lock
  printf '%s\n' "$least" "${libc#glibc }" | sort -VC || fail "needs glibc $least or newer, and this is $libc; use a newer Linux image"
}

# The first Python 3.11 to 3.13 that starts (a pyenv shim may not) and can make virtual environments.
find_python() {
  local candidate unfit=
  for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13 python}; do
    command -v "$candidate" >/dev/null || continue
    "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 || continue
    "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1 && { printf '%s' "$candidate"; return; }
    unfit=$candidate
  done
  [[ -z $unfit ]] || fail "$unfit can't make virtual environments; install its venv package (Debian and Ubuntu: apt install $(basename "$unfit")-venv)"
  [[ -z ${PYTHON:-} ]] || fail "PYTHON=$PYTHON is not a Python 3.11 to 3.13"
  fail "needs Python 3.11, 3.12 or 3.13 on the PATH; install one, or name it: PYTHON=/path/to/python3.12 $0"
}

make_venv() {
  local python
  if [[ ! -e $VENV/.harness-making ]] && "$VENV_PYTHON" -c '' >/dev/null 2>&1; then
    "$VENV_PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
      fail "$VENV holds $("$VENV_PYTHON" --version), and 3.11 to 3.13 is needed; remove the folder and start again"
    [[ -z ${PYTHON:-} || $("$PYTHON" --version 2>&1) == $("$VENV_PYTHON" --version) ]] ||
      fail "$VENV holds $("$VENV_PYTHON" --version), and PYTHON=$PYTHON is another version; remove the folder and start again"
  else
    python=$(find_python)
    step "making .venv with $("$python" --version)" "$python" -m venv --clear "$VENV"
    touch "$VENV/.harness-making" # stays if this set-up is killed: packages may then be half installed, and the next one starts afresh
  fi
  "$VENV_PYTHON" -m pip --version >/dev/null 2>&1 || step "adding pip to .venv" "$VENV_PYTHON" -m ensurepip --upgrade
}

# An environment made for a GPU keeps its torch and vLLM; only the project is installed into it.
is_gpu_environment() {
  "$VENV_PYTHON" - <<'PYTHON'
import sys
from importlib import metadata
sys.path.insert(0, "scripts")
from install_torch import is_cpu_build
def found(name):
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
torch = found("torch")
sys.exit(not (found("vllm") or (torch and not is_cpu_build(torch.version, torch.requires or []))))
PYTHON
}

install_locked() { # install_locked LOCK...
  local lock arguments=()
  for lock; do arguments+=(--requirement "requirements/$lock.lock"); done
  "$VENV_PYTHON" -m pip install --no-deps --require-hashes --no-build-isolation --no-compile "${arguments[@]}"
}

# set_up PROFILE: `cpu` for a run, `dev` for the tests as well.
set_up() {
  local profile=$1 wanted stamp lock locks=(cpu)
  [[ $profile == dev ]] && locks+=(dev)
  stamp=$VENV/.harness-$profile
  cd "$ROOT"
  wanted=$({ echo "$ROOT"; cat pyproject.toml requirements/*.lock requirements/torch.* scripts/_env.sh scripts/install_torch.py; } | sha256sum)
  is_current() { [[ -x $VENV_PYTHON && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; }
  if is_current; then return; fi

  check_system
  # One set-up at a time; the kernel releases the lock when this shell ends, even if it is killed.
  exec {lock}<pyproject.toml
  flock --nonblock "$lock" || { say "another set-up is using $VENV; waiting for it"; flock "$lock"; }
  if is_current; then exec {lock}<&-; return; fi

  : >"$SETUP_LOG"
  make_venv
  rm -f "$VENV"/.harness-{cpu,dev}
  if is_gpu_environment; then
    say ".venv holds a GPU build of torch or vLLM, which stays as it is"
    step "installing the project" "$VENV_PYTHON" -m pip install --editable ".[transformers$([[ $profile == cpu ]] || echo ,dev)]"
  else
    step "installing the build tools" install_locked build
    step "installing torch (CPU build, 190 MB)" "$VENV_PYTHON" scripts/install_torch.py
    step "installing the packages of ${locks[*]/%/.lock}" install_locked "${locks[@]}"
    step "installing the project" "$VENV_PYTHON" -m pip install --no-deps --no-build-isolation --editable .
  fi
  printf '%s\n' "$wanted" >"$stamp"
  printf '%s\n' "$wanted" >"$VENV/.harness-cpu" # what the tests need includes what a run needs
  rm -f "$VENV/.harness-making"
  exec {lock}<&-
}

# Fetches the small model, or prints one line if it is there already.
fetch_model() { "$VENV_PYTHON" -m harness fetch smollm2-135m </dev/null || exit $?; }
