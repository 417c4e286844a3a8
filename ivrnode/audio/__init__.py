"""Sound as bytes: formats, G.711, G.722, resampling, WAV files, voice activity. Pure: no clock, socket or packet."""
