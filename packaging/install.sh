#!/usr/bin/env bash
# Install, upgrade and roll back vanlien from this bundle, without a network.
#
# Versions lie side by side in PREFIX/versions/X; PREFIX/current is a link to the one in use and
# changes in one step, so that a crash leaves either version whole. A version that was not finished
# has no file .complete and is made anew. From the moment services are stopped until they answer
# again, PREFIX/.underway says what is being done: cut off there, the next run finishes it, or goes
# back. Nothing is written outside PREFIX, but for what --dry-run lists: the folder of data (--home),
# the system user, and systemd units (not with --no-systemd).
# The ledger's upgrade only adds (`vanlien ledger upgrade`), so that the version before works with it
# as well: going back loses nothing that was accepted meanwhile, and no number is given twice.
set -euo pipefail

PROGRAM=$(basename "$0")
BUNDLE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly PROGRAM BUNDLE
readonly USAGE=64 FAILURE=70
readonly NEEDED_KIB=1048576

ACTION=install
PREFIX=/opt/vanlien
DATA_HOME=
ACCOUNT=vanlien
UNITS=/etc/systemd/system
SYSTEMD=yes
BACKUP=yes
DRY_RUN=no
PATIENCE_S=60
PYTHON=${PYTHON:-python3.11}

help() {
  cat <<TEXT
$PROGRAM: cài đặt, nâng cấp, quay lại phiên bản trước / install, upgrade, roll back vanlien

  ./$PROGRAM [install|upgrade|rollback|status] [options]

  install             cài mới / a first installation (default)
  upgrade             sao lưu, cài cạnh bản cũ, chuyển, kiểm tra; hỏng thì tự quay lại
                      / back up, install beside, switch, check; back again when the check fails
  rollback            về phiên bản trước / return to the version before
  status              đang có gì / what is there

  --prefix DIR        chương trình / the program (default $PREFIX)
  --home DIR          dữ liệu và cấu hình / data and settings (default /srv/vanlien, or
                      PREFIX/home with --no-systemd)
  --user NAME         tài khoản chạy dịch vụ / account of the service (default $ACCOUNT)
  --units DIR         nơi ghi unit / where units go (default $UNITS)
  --no-systemd        không tạo tài khoản, không ghi unit / no account, no units
  --no-backup         nâng cấp không sao lưu / upgrade without a backup (you have one)
  --patience SECONDS  chờ dịch vụ sống lại / how long the service may take (default $PATIENCE_S)
  --dry-run           chỉ nói sẽ làm gì / only say what would be done
  --help

  Mã thoát / Exit codes: 0 xong / done · 64 sai cách dùng, thiếu điều kiện / usage, something is
  missing · 70 không thành, đã quay lại / failed, returned to what was there
TEXT
}

# Whatever ends this program unexpectedly is told, with what to do next; a version that was not
# finished gives its room back.
MADE_PREFIX=no
PLACING=
on_exit() {
  local code=$?
  if [[ -n $PLACING ]]; then rm -rf -- "$PLACING"; fi
  if ((code != 0)) && [[ $MADE_PREFIX == yes && ! -e $PREFIX/current ]]; then
    rm -rf -- "$PREFIX/versions"
    rm -f -- "$PREFIX/.lock"
    rmdir -- "$PREFIX" 2> /dev/null || true
  fi
  case $code in
    0 | "$USAGE" | "$FAILURE") return ;;
  esac
  warn "dừng giữa chừng (mã $code, xem dòng trên); bản đang dùng vẫn nguyên. Sửa nguyên nhân rồi chạy lại" \
    "lệnh này / stopped halfway (code $code, see above); the version in use is untouched. Mend the cause," \
    "then run the same command again"
  exit $FAILURE
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$PROGRAM" "$*" >&2; }
# die CODE WORDS...
die() {
  local code=$1
  shift
  warn "$*"
  exit "$code"
}

# Do it, or with --dry-run say it.
run() {
  if [[ $DRY_RUN == yes ]]; then
    printf '  $'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

read_options() {
  local seen=
  while (($#)); do
    case $1 in
      install | upgrade | rollback | status)
        [[ -z $seen ]] || die $USAGE "một lệnh thôi / one command only: $1"
        ACTION=$1 seen=yes
        ;;
      --prefix | --home | --user | --units | --patience)
        (($# > 1)) || die $USAGE "$1 cần một giá trị / needs a value"
        case $1 in
          --prefix) PREFIX=$2 ;;
          --home) DATA_HOME=$2 ;;
          --user) ACCOUNT=$2 ;;
          --units) UNITS=$2 ;;
          --patience) PATIENCE_S=$2 ;;
        esac
        shift
        ;;
      --no-systemd) SYSTEMD=no ;;
      --no-backup) BACKUP=no ;;
      --dry-run) DRY_RUN=yes ;;
      --help | -h)
        help
        exit 0
        ;;
      *) die $USAGE "không hiểu / unknown: $1 (--help)" ;;
    esac
    shift
  done
  [[ $PREFIX == /* ]] || die $USAGE "--prefix phải là đường dẫn tuyệt đối / must be absolute"
  [[ $PATIENCE_S =~ ^[0-9]+$ ]] || die $USAGE "--patience: $PATIENCE_S"
  [[ $ACCOUNT =~ ^[a-z_][a-z0-9_-]*$ ]] || die $USAGE "--user: $ACCOUNT"
  PREFIX=${PREFIX%/}
  if [[ -z $DATA_HOME ]]; then
    DATA_HOME=/srv/vanlien
    [[ $SYSTEMD == yes ]] || DATA_HOME=$PREFIX/home
  fi
  [[ $DATA_HOME == /* ]] || die $USAGE "--home phải là đường dẫn tuyệt đối / must be absolute"
  local path
  for path in "$PREFIX" "$DATA_HOME"; do
    # They go into unit files: no character there may mean something.
    [[ $path =~ ^[A-Za-z0-9/._-]+$ ]] || die $USAGE "ký tự lạ / characters that are not taken: $path"
  done
}

# ---------------------------------------------------------------- what is there

version_at() { if [[ -L $1 ]]; then basename "$(readlink "$1")"; fi; }
current() { version_at "$PREFIX/current"; }
previous() { version_at "$PREFIX/previous"; }
complete() { [[ -n $1 && -e $PREFIX/versions/$1/.complete ]]; }
settings() { printf '%s/vanlien.toml' "$DATA_HOME"; }

# Everything that is missing, at once.
check() {
  local -a faults=()
  local found free parent
  [[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
    faults+=("cần Linux x86-64 / Linux x86-64 is needed: $(uname -s) $(uname -m)")
  if ! command -v "$PYTHON" > /dev/null; then
    faults+=("không có / there is no $PYTHON")
  else
    found=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' || true)
    [[ $found == 3.11 ]] || faults+=("cần Python 3.11 / is needed: $PYTHON = $found")
    [[ -n $("$PYTHON" -c 'import venv' && pip_wheel) ]] ||
      faults+=("$PYTHON thiếu venv / lacks venv (Debian: python3-venv)")
  fi
  parent=$PREFIX
  while [[ ! -d $parent ]]; do parent=$(dirname "$parent"); done
  free=$(df -Pk "$parent" | awk 'NR == 2 { print $4 }')
  ((free >= NEEDED_KIB)) ||
    faults+=("$parent còn $((free / 1024)) MiB, cần 1024 / MiB free, 1024 are needed")
  [[ -w $parent ]] || faults+=("không ghi được / cannot write: $parent")
  if [[ $SYSTEMD == yes ]]; then
    [[ $(id -u) == 0 ]] || faults+=("cần quyền root / root is needed (--no-systemd: not)")
    command -v systemctl > /dev/null || faults+=("không có systemctl (--no-systemd)")
  fi
  (cd "$BUNDLE" && sha256sum --quiet --strict -c SHA256SUMS) > /dev/null 2>&1 ||
    faults+=("gói bị hỏng: mã băm không khớp / the bundle is damaged: hashes differ")
  (($(find "$BUNDLE" ! -type d | wc -l) == $(wc -l < "$BUNDLE/SHA256SUMS") + 1)) ||
    faults+=("gói có tệp lạ / the bundle holds files that nobody listed")
  if ((${#faults[@]})); then
    local fault
    for fault in "${faults[@]}"; do warn "$fault"; done
    exit $USAGE
  fi
}

# The pip that comes with Python, as the one file it is: what is installed has no pip of its own.
pip_wheel() {
  "$PYTHON" - << 'CODE' 2> /dev/null || true
import ensurepip, pathlib, sysconfig
beside = pathlib.Path(ensurepip.__file__).parent / "_bundled"
for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), beside):
    for wheel in sorted(pathlib.Path(folder or "/nonexistent").glob("pip-*.whl")):
        print(wheel)
        raise SystemExit
CODE
}

# ---------------------------------------------------------------- one version, beside the others

place_version() {
  local version=$1 target=$PREFIX/versions/$1
  if complete "$version"; then
    say "Đã có / there already: $target"
    return
  fi
  say "Cài / installing: $target"
  run rm -rf -- "$target"
  if [[ $DRY_RUN == no ]]; then PLACING=$target; fi
  run mkdir -p -- "$PREFIX/versions" "$target"
  run "$PYTHON" -m venv --without-pip "$target"
  # The bundle alone: no index, no settings of this account or machine, only the hashes listed.
  run env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$target/bin/python" "$(pip_wheel)/pip" install --quiet --no-index --find-links "$BUNDLE/wheels" \
    --only-binary :all: --require-hashes -r "$BUNDLE/requirements.txt"
  run mkdir -p -- "$target/share"
  run cp -r -- "$BUNDLE/docs" "$BUNDLE/systemd" "$BUNDLE/MANIFEST.json" "$BUNDLE/LICENSE" \
    "$BUNDLE/proof.py" "$BUNDLE/install.sh" "$target/share/"
  run chmod -R go+rX -- "$target"
  [[ $DRY_RUN == yes ]] && return
  local told
  told=$("$target/bin/vanlien" --version)
  [[ $told == "vanlien $version" ]] ||
    die $FAILURE "chương trình trả lời lạ / the program answers: $told"
  sync -f "$target"
  : > "$target/.complete"
  PLACING=
}

# A link that changes in one step.
point() {
  run ln -sfn -- "$2" "$1.new"
  run mv -T -- "$1.new" "$1"
}

# switch_to VERSION [BEFORE]: the one in use is remembered as the one before.
switch_to() {
  local before=${2:-}
  if [[ -n $before && $before != "$1" ]]; then point "$PREFIX/previous" "versions/$before"; fi
  point "$PREFIX/current" "versions/$1"
  run mkdir -p -- "$PREFIX/bin"
  point "$PREFIX/bin/vanlien" ../current/bin/vanlien
}

# ---------------------------------------------------------------- account, folders, units

make_account() {
  if [[ $SYSTEMD == yes ]] && ! getent passwd "$ACCOUNT" > /dev/null; then
    run useradd --system --user-group --home-dir "$DATA_HOME" --no-create-home \
      --shell /usr/sbin/nologin "$ACCOUNT"
  fi
  if [[ ! -d $DATA_HOME ]]; then
    run mkdir -p -m 0700 -- "$DATA_HOME"
    if [[ $SYSTEMD == yes ]]; then run chown -- "$ACCOUNT:$ACCOUNT" "$DATA_HOME"; fi
  fi
}

write_units() {
  [[ $SYSTEMD == yes ]] || return 0
  local unit name
  for unit in "$PREFIX/versions/$1/share/systemd"/vanlien*; do
    [[ $DRY_RUN == yes && ! -e $unit ]] && unit=$BUNDLE/systemd/vanlien.service
    name=$(basename "$unit")
    say "  $UNITS/$name"
    [[ $DRY_RUN == yes ]] && continue
    sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@HOME@|$DATA_HOME|g" -e "s|@USER@|$ACCOUNT|g" \
      "$unit" > "$UNITS/.$name.new"
    mv -T -- "$UNITS/.$name.new" "$UNITS/$name"
  done
  run systemctl daemon-reload
}

# ---------------------------------------------------------------- the service

# Run a command of one version as the account of the service, on its settings.
vanlien_of() {
  local version=$1
  shift
  local -a command=(env "VANLIEN_CONFIG=$(settings)" "$PREFIX/versions/$version/bin/vanlien" "$@")
  if [[ $SYSTEMD == yes && $(id -u) == 0 ]]; then
    command=(setpriv --reuid "$ACCOUNT" --regid "$ACCOUNT" --init-groups -- "${command[@]}")
  fi
  (cd "$DATA_HOME" 2> /dev/null || cd /; run "${command[@]}")
}

services() { systemctl list-units --plain --no-legend --state=active,activating,reloading 'vanlien.service' 'vanlien@*.service' | awk '{ print $1 }'; }

# Without systemd nobody starts or stops servers for us: they must not run meanwhile.
refuse_while_serving() {
  [[ $SYSTEMD == no && $DRY_RUN == no ]] || return 0
  if vanlien_of "$1" health > /dev/null 2>&1; then
    die $USAGE "máy chủ đang chạy: dừng trước đã / a server runs: stop it first"
  fi
}

# healthy VERSION UNITS: it can work with settings and ledger, and its units (if any) answer.
healthy() {
  local version=$1 left=$PATIENCE_S
  [[ $DRY_RUN == yes ]] && return 0
  vanlien_of "$version" check-config > /dev/null || return 1
  vanlien_of "$version" ledger status > /dev/null || return 1
  [[ $SYSTEMD == yes && -n $2 ]] || return 0
  while ! vanlien_of "$version" health > /dev/null 2>&1; do
    ((left > 0)) || return 1
    sleep 1
    left=$((left - 1))
  done
}

start_again() {
  local unit
  for unit in $1; do run systemctl restart "$unit"; done
}

stop_all() {
  local unit
  for unit in $1; do run systemctl stop "$unit"; done
}

# ---------------------------------------------------------------- the four commands

do_install() {
  local version=$1 before
  before=$(current)
  [[ ! -e $PREFIX/.underway ]] || die $USAGE \
    "một lần $(underway 1) bị ngắt: chạy lại lệnh đó, hoặc rollback / $(underway 1) was cut off: run it again, or rollback"
  [[ -z $before || $before == "$version" ]] ||
    die $USAGE "đang có $before: dùng upgrade / $before is there: use upgrade"
  check
  make_account
  place_version "$version"
  switch_to "$version"
  write_units "$version"
  say "Xong / done: vanlien $version, $PREFIX/bin/vanlien"
  [[ -e $(settings) ]] && return
  say "Tiếp theo / next:"
  if [[ $SYSTEMD == yes ]]; then
    say "  setpriv --reuid $ACCOUNT --regid $ACCOUNT --init-groups -- $PREFIX/bin/vanlien init $DATA_HOME"
    say "  systemctl enable --now vanlien.service vanlien-backup.timer"
  else
    say "  $PREFIX/bin/vanlien init $DATA_HOME"
    say "  $PREFIX/bin/vanlien serve --config $(settings)"
  fi
}

# ---- what is under way: ACTION, from, to, the version before those, services that ran; one a line.

underway() { sed -n "$1p" "$PREFIX/.underway" 2> /dev/null || true; }

begin() {
  [[ $DRY_RUN == yes ]] && return
  printf '%s\n' "$@" > "$PREFIX/.underway.new"
  sync "$PREFIX/.underway.new"
  mv -T -- "$PREFIX/.underway.new" "$PREFIX/.underway"
}

finished() { run rm -f -- "$PREFIX/.underway"; }

do_upgrade() {
  local version=$1 before earlier running=
  before=$(current)
  earlier=$(previous)
  [[ -n $before ]] || die $USAGE "chưa cài: dùng install / nothing is installed: use install"
  if [[ $(underway 1) == upgrade && $(underway 3) == "$version" ]]; then
    before=$(underway 2) earlier=$(underway 4) running=$(underway 5)
    say "Làm tiếp việc dở dang / going on with what was cut off: $before → $version"
    check
    refuse_while_serving "$before"
    place_version "$version"
  else
    [[ $before != "$version" ]] || die $USAGE "đã là $version / it is $version already"
    check
    [[ -e $(settings) ]] || die $USAGE "không có / there is no $(settings) (--home)"
    refuse_while_serving "$before"
    # (1) Beside the old one, which goes on serving.
    place_version "$version"
    # (2) Nothing is changed before there is a backup.
    if [[ $BACKUP == yes ]]; then
      say "Sao lưu / backing up"
      vanlien_of "$before" backup ||
        die $FAILURE "sao lưu không thành, chưa đổi gì ([backup] to, hoặc --no-backup nếu đã có bản sao lưu)" \
          "/ the backup failed, nothing was changed ([backup] to, or --no-backup when you have one)"
    fi
    if [[ $SYSTEMD == yes ]]; then running=$(services | tr '\n' ' '); fi
    # A roll-back that was cut off, or failed, had stopped them.
    running=${running:-$(underway 5)}
  fi
  # (3) The short while in which nobody serves: switch, upgrade the ledger, start.
  begin upgrade "$before" "$version" "$earlier" "$running"
  stop_all "$running"
  switch_to "$version" "$before"
  write_units "$version"
  # It asks for a backup itself, unless we were told that there is one.
  local asked=()
  [[ $BACKUP == yes ]] || asked=(--no-backup)
  if vanlien_of "$version" ledger upgrade "${asked[@]}" && start_again "$running" && healthy "$version" "$running"; then
    finished
    say "Xong / done: $before → $version"
    say "Khi mọi máy đã nâng cấp và không quay lại nữa / once all machines are upgraded and nobody goes back:" \
      "vanlien ledger upgrade --finish"
    return
  fi
  # (4) The program goes back; what the ledger was given stays, and the version before works with it.
  warn "phiên bản $version không chạy được, quay lại $before / does not run, back to $before"
  go_back "$before" "$earlier" "$running"
  exit $FAILURE
}

# go_back VERSION EARLIER UNITS: the version before serves again, with the links as they were.
go_back() {
  local before=$1 earlier=$2 running=$3
  stop_all "$running"
  point "$PREFIX/current" "versions/$before"
  if [[ -n $earlier ]]; then
    point "$PREFIX/previous" "versions/$earlier"
  else
    run rm -f -- "$PREFIX/previous"
  fi
  write_units "$before"
  start_again "$running" || true
  if healthy "$before" "$running"; then
    finished
    warn "$before đang chạy lại / serves again"
  else
    warn "$before cũng không chạy: xem journalctl -u vanlien; sổ cái đã qua ledger upgrade --finish thì chỉ" \
      "khôi phục được từ bản sao lưu / does not run either: see journalctl -u vanlien; a ledger that went" \
      "through ledger upgrade --finish comes back from the backup only: vanlien restore --help"
  fi
}

do_rollback() {
  local before target running=
  case $(underway 1) in
    upgrade)
      before=$(underway 2)
      say "Bỏ việc nâng cấp dở dang / giving up the upgrade that was cut off: $(underway 3) → $before"
      go_back "$before" "$(underway 4)" "$(underway 5)"
      [[ ! -e $PREFIX/.underway ]] || exit $FAILURE
      return
      ;;
    rollback)
      before=$(underway 2) target=$(underway 3) running=$(underway 5)
      ;;
    *)
      before=$(current)
      target=$(previous)
      complete "$target" || die $USAGE "không có phiên bản trước / there is no version before"
      refuse_while_serving "$before"
      if [[ $SYSTEMD == yes ]]; then running=$(services | tr '\n' ' '); fi
      ;;
  esac
  # Asked before anything is stopped: a ledger may be too new for it.
  vanlien_of "$target" ledger status > /dev/null || die $FAILURE \
    "$target không dùng được sổ cái này (đã ledger upgrade --finish?), chưa đổi gì; chỉ khôi phục từ bản sao lưu" \
    "/ cannot work with this ledger (was it finished?), nothing was changed: only from a backup, vanlien restore --help"
  say "Quay lại / rolling back: $before → $target (sổ cái giữ nguyên / the ledger stays as it is)"
  begin rollback "$before" "$target" "" "$running"
  stop_all "$running"
  switch_to "$target" "$before"
  write_units "$target"
  start_again "$running" || true
  healthy "$target" "$running" || die $FAILURE \
    "$target không chạy: xem journalctl -u vanlien / does not run: see journalctl -u vanlien"
  finished
  say "Xong / done: $target"
}

do_status() {
  local folder version
  say "prefix: $PREFIX"
  say "home: $DATA_HOME"
  say "current: $(current)"
  say "previous: $(previous)"
  if [[ -e $PREFIX/.underway ]]; then say "cut off: $(underway 1) $(underway 2) → $(underway 3)"; fi
  for folder in "$PREFIX"/versions/*/; do
    [[ -d $folder ]] || continue
    version=$(basename "$folder")
    if complete "$version"; then say "version: $version"; else say "unfinished: $version"; fi
  done
}

main() {
  read_options "$@"
  if [[ $ACTION == status ]]; then
    do_status
    return
  fi
  trap on_exit EXIT
  if [[ $DRY_RUN == no ]]; then
    [[ -d $PREFIX ]] || MADE_PREFIX=yes
    { mkdir -p -- "$PREFIX" && exec 9> "$PREFIX/.lock"; } 2> /dev/null ||
      die $USAGE "không ghi được / cannot write $PREFIX (sudo?)"
    flock -n 9 || die $USAGE "một tiến trình cài đặt khác đang chạy / another one is at work"
  fi
  if [[ $ACTION == rollback ]]; then
    do_rollback
    return
  fi
  local version
  version=$(cat "$BUNDLE/VERSION" 2> /dev/null) ||
    die $USAGE "không phải thư mục của gói / this is not a bundle's folder: $BUNDLE"
  "do_$ACTION" "$version"
}

main "$@"
