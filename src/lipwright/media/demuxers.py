"""Which of FFmpeg's readers may look at a file.

FFmpeg has some that open further files a file names (playlists of HLS and DASH, `concat`, IMF, SDP, numbered pictures),
and others that take any text or bytes for pictures. Who sends such a file would be shown what lies beside it, or noise.
So the ones below are named, and no other is asked: each reads the one file it is given.
"""

_FILM = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,asf,asf_o,mpeg,mpegts,mpegvideo,ogg,mxf,gxf,nut,ivf,dv,rm,"
    "wtv,nsv,nuv,yuv4mpegpipe,mjpeg,mjpeg_2000,h261,h263,h264,hevc,vvc,evc,av1,obu,m4v,vc1,vc1test,cavsvideo,dirac,dnxhd,"
    "gif,apng"
)
_PHOTOS = (
    "png_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,jpegxl_anim,webp_pipe,webp,bmp_pipe,tiff_pipe,j2k_pipe,exr_pipe,dpx_pipe,"
    "dds_pipe,hdr_pipe,qoi_pipe,psd_pipe,pam_pipe,pbm_pipe,pgm_pipe,ppm_pipe,pfm_pipe,sgi_pipe,sunrast_pipe,ico"
)
_SOUND = (
    "wav,w64,mp3,aac,ac3,eac3,ac4,dts,dtshd,mlp,truehd,flac,aiff,au,caf,amr,amrnb,amrwb,ape,wv,tta,tak,mpc,mpc8,shn,voc,"
    "xwma,iff,dsf,loas,latm,sbc,aptx,aptx_hd,oma,qcp,rso,sox,ircam,nistsphere,osq,lc3,bonk,gsm,g729,mmf,aa,dss"
)
SINGLE_FILE = ",".join((_FILM, _PHOTOS, _SOUND))
"""As FFmpeg's option `format_whitelist` wants them."""
ALONE = {"protocol_whitelist": "file", "format_whitelist": SINGLE_FILE}
"""Options that keep odd names and playlists from reaching other files or the network; not to be changed."""
