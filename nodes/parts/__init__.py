"""Pure pieces that protocols share. Nothing here knows of time, networks or disks."""
