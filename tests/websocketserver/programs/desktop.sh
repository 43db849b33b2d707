# A desktop on RFB port $1, as a service: sh desktop.sh PORT. Its root window is coloured, and it has a terminal.
set -eu
folder="$(mktemp -d)"
mkfifo "$folder/display"
# The display's number comes through descriptor 3: whichever is free.
Xvnc -displayfd 3 -rfbport "$1" -localhost -SecurityTypes None -AlwaysShared -geometry 800x600 -depth 24 \
    -noreset -nolisten tcp 3>"$folder/display" &
read -r number <"$folder/display"
export DISPLAY=":$number"
xsetroot -solid '#1e6496'
xterm -bg '#fff8dc' -geometry 60x18+20+20 -e sleep infinity &
wait
