#!/bin/sh
# lamp.sh - a lamp that is switched by messages: writes 1 or 0 into the file LAMP, and answers.
#
# culver runs this script once more for each message, with the message in CULVER_… variables and, as JSON, on standard
# input. Status 0 acknowledges it; otherwise culver stops, and the message comes again when the script is started again.
set -eu
LAMP=${LAMP:-/sys/class/leds/ACT/brightness}
export LAMP

if [ -z "${CULVER_ID-}" ]; then
    exec culver inbox --consumer lamp --follow --exec "'$0'"
fi

case ${CULVER_TEXT-} in
    on) echo 1 > "$LAMP" ;;
    off) echo 0 > "$LAMP" ;;
    *) exit 0 ;; # nothing for a lamp
esac

# Who dies after this line and before the end of the script gets the message again; under the same ref the answer goes
# once.
culver send "$CULVER_SENDER" "the lamp is $CULVER_TEXT" --ref "lamp $CULVER_ID"
